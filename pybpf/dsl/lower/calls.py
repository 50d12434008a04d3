"""Calls: inlined functions, records, conversions, methods and helpers, and Python at build time."""

from __future__ import annotations

import ast
from typing import Any

from pybpf.codegen.ir import Block
from pybpf.dsl.binding import bind
from pybpf.dsl.decorators import Func, Probe
from pybpf.dsl.lower.builtins import BUILTINS
from pybpf.dsl.lower.displays import Displays
from pybpf.dsl.lower.scope import Path
from pybpf.dsl.places import make
from pybpf.dsl.record import Record
from pybpf.dsl.values import Value, convert, describe, static, unroll
from pybpf.errors import BpfError, LoweringError
from pybpf.source import Location
from pybpf.spec import Int, Layout

__all__ = ["Calls"]


class Calls(Displays):
    """The part of lowering that calls."""

    def call(self, node: ast.Call, outcomes: tuple[Block, Block] | None = None) -> Any:
        callee = self.value(node.func)
        args = self.elements(node.args)
        keywords: dict[str, Any] = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                keywords.update(self.mapping(keyword.value))
            else:
                keywords[keyword.arg] = self.value(keyword.value)
        self.cx.at(node)
        if isinstance(callee, Func):
            return self._inline(callee, args, keywords, node, outcomes)
        if isinstance(callee, Value):
            return callee.call(self.cx, args, keywords)
        if isinstance(callee, type) and issubclass(callee, Record):
            return make(self.cx, callee.layout, args, keywords)
        if isinstance(callee, Int):
            if keywords or len(args) != 1:
                raise self.cx.error(f"{callee.name}(...) takes one number", node)
            return convert(self.cx, args[0], callee)
        if isinstance(callee, Layout):
            return make(self.cx, callee, args, keywords)
        return self._at_build_time(callee, args, keywords, node)

    def _inline(
        self,
        callee: Func,
        args: list[Any],
        keywords: dict[str, Any],
        node: ast.Call,
        outcomes: tuple[Block, Block] | None,
    ) -> Any:
        cx, place = self.cx, self.cx.place(node)
        if len(cx.callers) > 50:
            raise cx.error(f"{callee.source.name} calls itself: an inlined function can't", node)
        try:
            bound = bind(callee.source.function, args, keywords)
        except TypeError as error:
            raise cx.error(f"{callee.source.name}: {error}", node) from None
        file = cx.file
        inner = type(self)(cx, callee.source, outcomes)
        inner.scope.given = list(bound.values())
        for name, value in bound.items():
            inner.scope.assign(name, value)
        cx.file = callee.source.file
        cx.callers.append(place)
        inner.statements(callee.source.tree.body)
        result = inner.finish()
        cx.callers.pop()
        cx.file = file
        cx.build.location = place
        return result

    def results(self) -> list[tuple[Path, Any, Location | None]]:
        """Each path through the function, what it returns, and where."""
        self._fall_off()
        return self.returns

    def _fall_off(self) -> None:
        """To reach the end of the function is to return None."""
        path = self.scope.path()
        if path is not None:
            self.returns.append((path, None, self.cx.place(self.source.tree)))
            self.cx.build.block = None

    def finish(self) -> Any:
        """The end of the function was reached: go on where its returns meet, with the value returned."""
        if self.outcomes is not None:
            if self.cx.build.block is not None:
                self.cx.build.jump(self.outcomes[1])
            return None
        self._fall_off()
        paths, result = [], f"the result of {self.source.name}"
        for path, value, place in self.returns:
            self.scope.resume(path)
            self.scope.names = {}
            self.cx.build.location = place
            self.scope.assign(result, value)
            paths.append(self.scope.path())
        self.scope.join(paths)
        return self.scope.read(result) if self.cx.build.block is not None else None

    def _at_build_time(self, callee: Any, args: list[Any], keywords: dict[str, Any], node: ast.Call) -> Any:
        name = getattr(callee, "__name__", repr(callee))
        if isinstance(callee, Probe):
            raise self.cx.error(f"{callee.name} is a probe: the kernel calls it, no other probe can", node)
        if not callable(callee):
            raise self.cx.error(f"{describe(callee)} can't be called", node)
        if callee is print:
            raise self.cx.error("a probe can't print; send an event, or use printk to debug", node)
        if any(_of_the_kernel(arg) for arg in [*args, *keywords.values()]):
            builtin = next((each for known, each in BUILTINS.items() if known is callee), None)
            if builtin is not None:
                return self._builtin(builtin, name, args, keywords, node)
            if callee in (static, unroll):
                given = next(describe(it) for it in [*args, *keywords.values()] if _of_the_kernel(it))
                raise self.cx.error(f"{name} takes what is known at build time, not {given}", node)
            raise self.cx.error(
                f"{name} is plain Python, and gets a value that only the kernel has: decorate it with @func",
                node,
            )
        try:
            return callee(*args, **keywords)
        except BpfError as error:
            if isinstance(error, LoweringError) and error.location is not None:
                raise
            raise self.cx.error(str(error), node) from None
        except Exception as error:
            raise self.cx.error(f"{name} failed at build time: {error!r}", node) from None

    def _builtin(
        self, function: Any, name: str, args: list[Any], keywords: dict[str, Any], node: ast.Call
    ) -> Any:
        try:
            bind(function, [self.cx, *args], keywords)
        except TypeError as error:
            raise self.cx.error(f"{name}: {error}", node) from None
        return function(self.cx, *args, **keywords)


def _of_the_kernel(value: Any) -> bool:
    """Whether a value, or one in it, is known to the kernel only."""
    if isinstance(value, (list, tuple)):
        return any(map(_of_the_kernel, value))
    return isinstance(value, Value)
