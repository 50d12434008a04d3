"""Expressions: values of the kernel, or of build time."""

from __future__ import annotations

import ast
import builtins
from typing import Any

from pybpf.dsl.lower.displays import Displays
from pybpf.dsl.lower.nodes import rejected
from pybpf.dsl.lower.operators import arithmetic, negative
from pybpf.dsl.lower.scope import static
from pybpf.dsl.lower.stage import staged
from pybpf.dsl.maps import Global
from pybpf.dsl.types import u64
from pybpf.dsl.values import Scalar, Value, describe
from pybpf.errors import BpfError, LoweringError, near

__all__ = ["Expressions"]


class Expressions(Displays):
    """The part of lowering that computes."""

    def value(self, node: ast.expr) -> Any:
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            raise self.cx.error(rejected(node), node)
        self.cx.at(node)
        return method(node)

    def _constant(self, node: ast.Constant) -> Any:
        return node.value

    def _name(self, node: ast.Name) -> Any:
        if node.id in self.scope.names:
            return self.scope.read(node.id)
        if node.id in self.source.variables:
            raise self._not_yet_set(node)
        if node.id in self.globals:
            return staged(self.cx, self.globals[node.id])
        if hasattr(builtins, node.id):
            return getattr(builtins, node.id)
        known = [*self.scope.names, *self.globals]
        raise self.cx.error(f"{node.id} is not defined{near(node.id, known)}", node)

    def _not_yet_set(self, node: ast.Name) -> LoweringError:
        """A variable of this function's is read where no path has set it."""
        outer = self.globals.get(node.id)
        if isinstance(outer, Value):
            cure = f"write {node.id}.value" if isinstance(outer, Global) else "work with it by its methods"
            return self.cx.error(
                f"{node.id} is set in this function, which makes it a variable of the function's own, not"
                f" {describe(outer)} of the module: {cure}",
                node,
            )
        stores = (each for each in ast.walk(self.source.tree) if isinstance(each, ast.Name))
        places = [self.cx.place(each) for each in stores if each.id == node.id and _sets(each)]
        notes = [(f"{node.id} is set here", place) for place in places[:1]]
        return self.cx.error(f"{node.id} is not set on every path to here", node, notes)

    def _attribute(self, node: ast.Attribute) -> Any:
        owner = self.value(node.value)
        self.cx.at(node)
        if isinstance(owner, Value):
            return owner.attribute(self.cx, node.attr)
        try:
            return staged(self.cx, getattr(owner, node.attr))
        except AttributeError:
            what = owner.__name__ if isinstance(owner, type) else describe(owner)
            hint = near(node.attr, dir(owner))
            raise self.cx.error(f"{what} has no {node.attr!r}{hint}", node) from None

    def _subscript(self, node: ast.Subscript) -> Any:
        owner, key = self.value(node.value), self.value(node.slice)
        self.cx.at(node)
        if isinstance(owner, Value):
            return owner.item(self.cx, key)
        if isinstance(key, Value):
            raise self.cx.error(
                f"{describe(owner)} is known at build time, and its index, {key.describe()}, is not: keep it"
                " in an ArrayMap",
                node,
            )
        try:
            return staged(self.cx, owner[key])
        except BpfError as error:
            raise self.cx.error(str(error), node) from None
        except Exception as error:
            raise self.cx.error(f"this can't be indexed at build time: {error!r}", node) from None

    def _binop(self, node: ast.BinOp) -> Any:
        left, right = self.value(node.left), self.value(node.right)
        self.cx.at(node)
        return arithmetic(self.cx, node.op, left, right)

    def _unaryop(self, node: ast.UnaryOp) -> Any:
        if isinstance(node.op, ast.Not):
            return self._truth(node)
        value = self.value(node.operand)
        self.cx.at(node)
        if isinstance(node.op, ast.USub):
            return negative(self.cx, value)
        if isinstance(node.op, ast.UAdd):
            return arithmetic(self.cx, ast.Add(), value, 0)
        return arithmetic(self.cx, ast.BitXor(), value, -1 if static(value) else _ones(self.cx, value))

    def _compare(self, node: ast.Compare) -> Any:
        return self._truth(node)

    def _boolop(self, node: ast.BoolOp) -> Any:
        return self._truth(node)

    def _truth(self, node: ast.expr) -> Any:
        """A condition as a value: 1 or 0, or a bool when it is known at build time."""
        true, false = self.cx.build.new_block("true"), self.cx.build.new_block("false")
        self.branch(node, true, false)
        return self._choose(node, [(true, True), (false, False)])

    def _ifexp(self, node: ast.IfExp) -> Any:
        true, false = self.cx.build.new_block("then"), self.cx.build.new_block("else")
        self.branch(node.test, true, false)
        return self._choose(node, [(true, node.body), (false, node.orelse)], node.test)

    def _choose(self, node: ast.expr, arms: list[tuple[Any, Any]], test: ast.expr | None = None) -> Any:
        """The value of whichever block is reached; an arm is a value or an expression to lower there.

        The first is reached when `test` holds, the second when it doesn't.
        """
        paths, name = [], "the value of this expression"
        before = dict(self.scope.names)
        for outcome, (block, arm) in zip((True, False), arms):
            if not block.preds:
                continue
            self.scope.names = dict(before)
            self.cx.build.enter(block)
            if test is not None:
                self.refine(test, outcome)
            value = self.value(arm) if isinstance(arm, ast.expr) else arm
            self.scope.assign(name, value)
            paths.append(self.scope.path())
        self.scope.join(list(paths))
        self.cx.at(node)
        value = self.scope.read(name)
        del self.scope.names[name]
        return value

    def _namedexpr(self, node: ast.NamedExpr) -> Any:
        value = self.value(node.value)
        self.cx.at(node)
        self.scope.assign(node.target.id, value)
        return value

    def _slice(self, node: ast.Slice) -> slice:
        ends = (node.lower, node.upper, node.step)
        return slice(*(None if end is None else self.value(end) for end in ends))

    def _call(self, node: ast.Call) -> Any:
        return self.call(node)


def _sets(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


def _ones(cx: Any, value: Value) -> Any:
    """All ones in the type of a number."""
    layout = value.layout if isinstance(value, Scalar) else u64
    return -1 if layout.signed else layout.maximum
