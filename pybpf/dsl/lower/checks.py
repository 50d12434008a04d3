"""What the outcome of a condition tells of variables: whether they are None, how large they can be."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["limits", "null_checks"]


def null_checks(node: ast.expr, outcome: bool) -> dict[str, bool]:
    """Which names are known to be there (True) or None (False) when `node` came out as `outcome`."""
    if isinstance(node, ast.Name):
        return {node.id: outcome}
    if isinstance(node, ast.NamedExpr) and isinstance(node.target, ast.Name):
        return {node.target.id: outcome}
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return null_checks(node.operand, not outcome)
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And) == outcome:
        found: dict[str, bool] = {}
        for operand in node.values:
            found.update(null_checks(operand, outcome))
        return found
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        (op,), (right,), name = node.ops, node.comparators, _name(node.left)
        if name and isinstance(right, ast.Constant) and right.value is None:
            if isinstance(op, (ast.Is, ast.Eq)):
                return {name: not outcome}
            if isinstance(op, (ast.IsNot, ast.NotEq)):
                return {name: outcome}
    return {}


def _name(node: ast.expr) -> str:
    """The variable that a side of a comparison is, or sets."""
    node = node.target if isinstance(node, ast.NamedExpr) else node
    return node.id if isinstance(node, ast.Name) else ""


_INVERSE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.NotEq: ast.Eq,
}


def limits(node: ast.expr, outcome: bool, known: Callable[[ast.expr], Any]) -> Iterator[tuple[str, int]]:
    """Names, and the largest value that each can have when `node` came out as `outcome`.

    `known` gives the value of an expression that is known at build time, else None.
    """
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield from limits(node.operand, not outcome, known)
    elif isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And) == outcome:
        for operand in node.values:
            yield from limits(operand, outcome, known)
    elif isinstance(node, ast.Compare) and (outcome or len(node.ops) == 1):
        sides = [node.left, *node.comparators]
        for left, op, right in zip(sides, node.ops, sides[1:]):
            kind = type(op) if outcome else _INVERSE.get(type(op), ast.Is)
            if kind in (ast.Gt, ast.GtE):
                left, right, kind = right, left, ast.Lt if kind is ast.Gt else ast.LtE
            if kind in (ast.Lt, ast.LtE, ast.Eq) and _name(left):
                most = known(right)
                if isinstance(most, int):
                    yield _name(left), most - (kind is ast.Lt)
