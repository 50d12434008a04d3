"""Expressions that events must meet to be shown, such as `op == "F_READ" and size > 4 * delta_us`.

They are Python's, evaluated by simpleeval (`pip install pybpf[expr]`): numbers and texts by the names of
fields, arithmetic, comparisons, `and`, `or`, `not`, `in`, `x if y else z`, and some functions. Nothing else
can be reached from them. It was chosen for its size (a file, no dependencies), its upkeep, and its language,
the probes' own; what evaluates faster is compiled, or has a grammar and dependencies of its own.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from typing import Any

from pybpf.errors import BpfError, UsageError
from pybpf.gadget.fields import Shown
from pybpf.gadget.select import one

__all__ = ["expression"]

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "len": len,
    "lower": str.lower,
    "matches": lambda text, pattern: re.search(pattern, text) is not None,
    "max": max,
    "min": min,
}


def expression(
    text: str, known: Sequence[Shown]
) -> Callable[[Sequence[tuple[Any, ...]]], Sequence[tuple[Any, ...]]]:
    """What keeps those events of a batch that meet an expression.

    Raises UsageError with the place of what is wrong, at once or when an event shows it; BpfError where
    simpleeval is missing.
    """
    try:
        import simpleeval
    except ImportError:
        raise BpfError("--filter-expr needs simpleeval: pip install pybpf[expr], or use --filter") from None
    names = _Names(text, known)
    tree = names.visit(_parse(text, names))
    values = [(each.path, each.source, each.make(str) if each.text else each.number) for each in names.used]
    evaluator = simpleeval.EvalWithCompoundTypes(functions=dict(_FUNCTIONS))

    def meets(event: tuple[Any, ...]) -> bool:
        evaluator.names = {
            path: event[source] if make is None else make(event[source]) for path, source, make in values
        }
        try:
            return bool(evaluator.eval(text, tree))
        except (simpleeval.InvalidExpression, ArithmeticError, TypeError, ValueError, re.error) as error:
            raise UsageError(f"--filter-expr {text}: {error}") from None

    return lambda batch: [event for event in batch if meets(event)]


def _parse(text: str, names: _Names) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise names.wrong(f"this is no expression: {error.msg}", (error.offset or 1) - 1) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise UsageError(f"--filter-expr: this is no expression: {error}") from None


class _Names(ast.NodeTransformer):
    """Takes `proc.comm` for one name, and finds the fields that are used."""

    def __init__(self, text: str, known: Sequence[Shown]) -> None:
        self.text = text
        self.known = known
        self.used: list[Shown] = []

    def wrong(self, message: str, column: int) -> UsageError:
        return UsageError(f"--filter-expr: {message}\n    {self.text}\n    {' ' * column}^")

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return self._field(node)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._field(node)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        name = node.func
        if not isinstance(name, ast.Name) or name.id not in _FUNCTIONS:
            raise self.wrong(f"there are the functions {', '.join(_FUNCTIONS)}", name.col_offset)
        node.args = [self.visit(each) for each in node.args]
        return node

    def _field(self, node: ast.Attribute | ast.Name) -> ast.expr:
        path = ast.unparse(node)
        try:
            shown = one(path, self.known)
        except UsageError as error:
            raise self.wrong(str(error), node.col_offset) from None
        if shown not in self.used:
            self.used.append(shown)
        return ast.copy_location(ast.Name(path, ast.Load()), node)
