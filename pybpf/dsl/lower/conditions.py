"""Conditions become branches; those known at build time become nothing."""

from __future__ import annotations

import ast
import enum
from collections.abc import Sequence
from typing import Any

from pybpf.codegen.ir import Block
from pybpf.dsl.decorators import Func
from pybpf.dsl.lower.base import Lowerer
from pybpf.dsl.lower.checks import limits, null_checks
from pybpf.dsl.lower.operators import arithmetic, comparison, static_comparison
from pybpf.dsl.maybe import Maybe
from pybpf.dsl.values import Condition, Value, describe

__all__ = ["Conditions"]


class Conditions(Lowerer):
    """The part of lowering that decides."""

    def refine(self, node: ast.expr, outcome: bool) -> None:
        """Take note of what a condition tells of variables."""
        for name, present in null_checks(node, outcome).items():
            self.scope.refine(name, present)
        for name, most in limits(node, outcome, self._known):
            self.scope.limit(name, most)

    def _known(self, node: ast.expr) -> Any:
        """The value of a constant, a name, a length or a sum of these, if it is known at build time."""
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name) and (node.id in self.scope.names or node.id in self.globals):
            return self.value(node)
        if isinstance(node, ast.BinOp):
            sides = self._known(node.left), self._known(node.right)
            return arithmetic(self.cx, node.op, *sides) if all(isinstance(it, int) for it in sides) else None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len":
            return self.value(node)  # which makes no code
        return None

    def branch(self, node: ast.expr, then: Block, otherwise: Block) -> None:
        self.cx.at(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            self.branch(node.operand, otherwise, then)
        elif isinstance(node, ast.BoolOp):
            self._branch_all(node, then, otherwise)
        elif isinstance(node, ast.Compare):
            self._branch_compare(node, then, otherwise)
        elif isinstance(node, ast.Call) and isinstance(self._callee(node), Func):
            self.call(node, (then, otherwise))
        else:
            value = self.value(node)
            self.cx.at(node)
            self.go(value.truth(self.cx) if isinstance(value, Value) else value, then, otherwise)

    def go(self, truth: Condition | Any, then: Block, otherwise: Block) -> None:
        """Branch on a condition, or jump when it is known."""
        if isinstance(truth, Condition):
            self.cx.build.branch(truth.condition, truth.a, truth.b, then, otherwise, truth.size)
        elif truth is None or type(truth) in (bool, int) or isinstance(truth, enum.Enum):
            self.cx.build.jump(then if truth else otherwise)
        else:
            raise self.cx.error(
                f"{describe(truth)} is neither true nor false here: only bool, int, None and enum members"
                " decide at build time"
            )

    def _callee(self, node: ast.Call) -> Any:
        return self.globals.get(node.func.id) if isinstance(node.func, ast.Name) else None

    def _branch_all(self, node: ast.BoolOp, then: Block, otherwise: Block) -> None:
        """`and` and `or`: each operand in turn, until one decides."""
        is_and = isinstance(node.op, ast.And)
        before = self.scope.path()
        for operand in node.values[:-1]:
            more = self.cx.build.new_block("and" if is_and else "or")
            self.branch(operand, more if is_and else then, otherwise if is_and else more)
            if not more.preds:
                break
            self.cx.build.enter(more)
            self.refine(operand, is_and)
        else:
            self.branch(node.values[-1], then, otherwise)
        if before is not None:
            self.scope.names = dict(before.names)

    def _branch_compare(self, node: ast.Compare, then: Block, otherwise: Block) -> None:
        left = self.value(node.left)
        for index, (op, comparator) in enumerate(zip(node.ops, node.comparators)):
            right = self.value(comparator)
            self.cx.at(node)
            last = index == len(node.ops) - 1
            after = then if last else self.cx.build.new_block("and")
            self._branch_pair(op, left, right, after, otherwise)
            if last or not after.preds:
                return
            self.cx.build.enter(after)
            left = right

    def _branch_one_of(self, value: Value, known: Sequence[Any], inside: Block, outside: Block) -> None:
        """Compare with each in turn."""
        for each in known:
            more = self.cx.build.new_block("in")
            self._branch_pair(ast.Eq(), value, each, inside, more)
            self.cx.build.enter(more)
        self.cx.build.jump(outside)

    def _branch_between(self, value: Value, limits: range, inside: Block, outside: Block) -> None:
        more = self.cx.build.new_block("in")
        self._branch_pair(ast.GtE(), value, limits.start, more, outside)
        if more.preds:
            self.cx.build.enter(more)
            self._branch_pair(ast.Lt(), value, limits.stop, inside, outside)

    def _branch_pair(self, op: ast.cmpop, left: Any, right: Any, then: Block, otherwise: Block) -> None:
        if not isinstance(left, Value) and not isinstance(right, Value):
            return self.go(static_comparison(self.cx, op, left, right), then, otherwise)
        if isinstance(op, (ast.In, ast.NotIn)):
            inside, outside = (then, otherwise) if isinstance(op, ast.In) else (otherwise, then)
            if isinstance(right, Value):
                return self.go(right.contains(self.cx, left), inside, outside)
            if isinstance(right, (tuple, list)):
                return self._branch_one_of(left, right, inside, outside)
            if isinstance(right, range) and right.step == 1:
                return self._branch_between(left, right, inside, outside)
        maybe = left if right is None else right
        if isinstance(maybe, Maybe) and (left is None or right is None):
            there = isinstance(op, (ast.IsNot, ast.NotEq))
            return self.go(maybe.present(self.cx), *((then, otherwise) if there else (otherwise, then)))
        if isinstance(op, (ast.Eq, ast.NotEq)):
            same, different = (then, otherwise) if isinstance(op, ast.Eq) else (otherwise, then)
            whole, other = (left, right) if isinstance(left, Value) else (right, left)
            if whole.branch_equal(self.cx, other, same, different):
                return None
            if isinstance(other, Value) and other.branch_equal(self.cx, whole, same, different):
                return None
        return self.go(comparison(self.cx, op, left, right), then, otherwise)
