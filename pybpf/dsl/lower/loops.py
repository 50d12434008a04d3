"""Loops: over what is known at build time, once for each element; over kernel values, as loops."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import Any

from pybpf.dsl.intrinsics.lists import Elements
from pybpf.dsl.lower.builtins import MOST_ROUNDS
from pybpf.dsl.lower.conditions import Conditions
from pybpf.dsl.lower.operators import arithmetic
from pybpf.dsl.lower.scope import Path, assigned_names, static
from pybpf.dsl.lower.walks import walk
from pybpf.dsl.maps import Map
from pybpf.dsl.places import ArrayPlace
from pybpf.dsl.text import Bytes
from pybpf.dsl.values import Range, Scalar, Unrolled, Value, describe
from pybpf.spec import Int

__all__ = ["Loops"]

# An unrolled loop of more rounds than this is a mistake rather than a wish: each is code of its own.
_MOST_COPIES = 1000
# A range of at most so many rounds is unrolled: the code is no larger, and the counter is a constant.
_FEW_ROUNDS = 8


class Loops(Conditions):
    """The part of lowering that repeats. `loops` are those around the statement being lowered."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.loops: list[_Loop] = []

    def _while_statement(self, node: ast.While) -> None:
        def rounds() -> None:
            body, done = self.cx.build.new_block("body"), self.cx.build.new_block("done")
            self.branch(node.test, body, done)
            names = dict(self.scope.names)
            if done.preds:
                self.cx.build.enter(done)
                self.refine(node.test, False)
                self.loops[-1].done = self.scope.path()
            self.cx.build.block = None
            if body.preds:
                self.scope.names = names
                self.cx.build.enter(body)
                self.refine(node.test, True)
                self.statements(node.body)

        self.repeat(node, rounds)

    def _for_statement(self, node: ast.For) -> None:
        elements = self.value(node.iter)
        self.cx.at(node.iter)
        if isinstance(elements, (ArrayPlace, Bytes)):
            elements = self._parts(elements)
        if isinstance(elements, Unrolled):
            return self._unrolled(node, elements.elements)
        if isinstance(elements, Elements):
            walk(self, node, elements)
        elif isinstance(elements, Range):
            self._counted(node, elements)
        elif isinstance(elements, range) and elements[_FEW_ROUNDS:]:
            if elements[MOST_ROUNDS:]:
                raise self.cx.error(f"the verifier walks through no more than {MOST_ROUNDS} rounds of a loop")
            self._counted(node, Range(elements.start, elements.stop, elements.step))
        else:
            self._unrolled(node, elements)
        return None

    def _parts(self, array: ArrayPlace | Bytes) -> Iterator[Any]:
        """The elements of an array, which is short; each is read in its own round."""
        count = array.layout.count if isinstance(array, ArrayPlace) else array.size
        if count > _FEW_ROUNDS:
            raise self.cx.error(
                f"for goes over the elements of an array of at most {_FEW_ROUNDS}, and this has {count}:"
                " write for i in range(len(x)), and x[i]"
            )
        return (array.item(self.cx, index) for index in range(count))

    def _unrolled(self, node: ast.For, elements: Any) -> None:
        """The body once for each element, which is known."""
        if isinstance(elements, Value) or not isinstance(elements, Iterable):
            found, cure = describe(elements), ""
            if isinstance(elements, Map):
                cure = f": {elements.name}.for_each(body, state) calls a @subprogram for each element"
            raise self.cx.error(
                f"for goes over a range or a sequence known at build time, not over {found}{cure}"
            )
        loop = _Loop()
        self.loops.append(loop)
        for count, element in enumerate(elements):
            if count == _MOST_COPIES:
                raise self.cx.error(f"this loop has more than {_MOST_COPIES} rounds", node.iter)
            self.store(node.target, element)
            self.statements(node.body)
            self.scope.join([self.scope.path(), *loop.continues])
            loop.continues.clear()
            if self.cx.build.block is None:
                break
        self.loops.pop()
        if self.cx.build.block is not None:
            self.statements(node.orelse)
        self.scope.join([self.scope.path(), *loop.breaks])

    def _counted(self, node: ast.For, rounds: Range) -> None:
        """`for name in range(...)`: the counter is a variable of its own, so the body may change `name`."""
        if not isinstance(node.target, ast.Name):
            raise self.cx.error("a range counts in one variable: for i in range(n)", node.target)
        name = node.target.id
        counter = f"{name}'s counter {len(self.loops)}"
        layout = rounds.layout
        far = rounds.stop if rounds.step > 0 else rounds.start
        most = max(0, (far if static(far) else far.most) - (rounds.step > 0))
        self.scope.assign(counter, self._end(rounds.start, layout))
        self.scope.assign(f"{counter}'s end", self._end(rounds.stop, layout))

        def turn() -> None:
            body, done = self.cx.build.new_block("body"), self.cx.build.new_block("done")
            now = self.scope.read(counter)
            end = self.scope.read(f"{counter}'s end")
            condition = ("s" if layout.signed else "") + ("lt" if rounds.step > 0 else "gt")
            self.cx.build.branch(condition, now.op, end.op, body, done)
            names = dict(self.scope.names)
            if done.preds:
                self.cx.build.enter(done)
                self.loops[-1].done = self.scope.path()
            self.cx.build.block = None
            if body.preds:
                self.scope.names = names
                self.cx.build.enter(body)
                now = self.scope.read(counter)
                self.scope.assign(name, Scalar(now.op, layout, most))
                self.statements(node.body)

        def step() -> None:
            now = self.scope.read(counter)
            self.scope.assign(counter, arithmetic(self.cx, ast.Add(), now, rounds.step))

        self.repeat(node, turn, step, {counter})
        self.scope.names.pop(counter, None)
        self.scope.names.pop(f"{counter}'s end", None)

    def _end(self, end: Any, layout: Int) -> Scalar:
        """An end of a range as the counter's type; the kernel's fit, since they have a bound."""
        return Scalar(self.cx.build.const(end) if static(end) else end.op, layout)

    def repeat(self, node: Any, rounds: Any, step: Any = None, counters: Iterable[str] = ()) -> None:
        """A loop in the kernel. What its body sets has one type all the way round.

        A variable that is a constant before the loop takes the type that the body gives it: when that
        is found to be another than was thought, the loop is lowered again.
        """
        names = [
            *assigned_names(node.body),
            *assigned_names([ast.Expr(node.test)] if hasattr(node, "test") else []),
        ]
        before = self.scope.path()
        assert before is not None
        mark = len(before.block.ops)
        returned = len(self.returns)
        types: dict[str, Any] = {}
        for _ in range(4):
            head = self.cx.build.new_block("loop")
            started = self.scope.begin_loop([*names, *counters], types)
            self.cx.build.jump(head)
            self.cx.build.enter(head)
            loop = _Loop()
            self.loops.append(loop)
            rounds()
            self.scope.join([self.scope.path(), *loop.continues])
            if self.cx.build.block is not None and step is not None:
                step()
            self.loops.pop()
            found = self.scope.end_loop(started, head)
            if not found:
                break
            types.update(found)
            del before.block.ops[mark:], self.returns[returned:]
            self.scope.resume(before)
        self.scope.join([loop.done])
        if self.cx.build.block is not None:
            self.statements(node.orelse)
        self.scope.join([self.scope.path(), *loop.breaks])

    def _break_statement(self, node: ast.Break) -> None:
        self._leave(node, "break")

    def _continue_statement(self, node: ast.Continue) -> None:
        self._leave(node, "continue")

    def _leave(self, node: ast.stmt, word: str) -> None:
        path = self.scope.path()
        if path is not None:
            loop = self.loops[-1]
            (loop.breaks if word == "break" else loop.continues).append(path)
        self.cx.build.block = None


class _Loop:
    """The ways out of a loop's body: to its end, past it, and to the next round."""

    def __init__(self) -> None:
        self.done: Path | None = None
        self.breaks: list[Path] = []
        self.continues: list[Path] = []
