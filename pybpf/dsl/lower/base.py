"""What the parts of lowering need of each other: one object lowers one call of one function."""

from __future__ import annotations

import ast
from typing import Any

from pybpf.codegen.ir import Block
from pybpf.dsl.context import Context
from pybpf.dsl.decorators import Source
from pybpf.dsl.lower.scope import Path, Scope
from pybpf.dsl.values import Scalar
from pybpf.source import Location
from pybpf.spec import Int, Layout

__all__ = ["Lowerer"]


class Lowerer:
    """Lowers the function of `source`. What it returns is collected in `returns`: path, value and place.

    When the function is called as a condition, `outcomes` are the blocks for true and false: a `return`
    then goes straight to one of them. `result` is what the function must return, where that is settled.
    """

    result: Layout | None = None

    def __init__(self, cx: Context, source: Source, outcomes: tuple[Block, Block] | None = None) -> None:
        self.cx = cx
        self.source = source
        self.globals = source.names()
        self.scope = Scope(cx)
        self.outcomes = outcomes
        self.returns: list[tuple[Path, Any, Location | None]] = []

    def value(self, node: ast.expr) -> Any:
        """The value of an expression: a kernel `Value`, or any Python object known at build time."""
        raise NotImplementedError

    def branch(self, node: ast.expr, then: Block, otherwise: Block) -> None:
        """Go to `then` if an expression is true, else to `otherwise`. Lowering is at no block after it."""
        raise NotImplementedError

    def refine(self, node: ast.expr, outcome: bool) -> None:
        """Take note of what a condition tells of variables."""
        raise NotImplementedError

    def typed(self, value: Any) -> Any:
        """A number known at build time as what is to be returned, so that ways of returning can be joined."""
        wanted = self.result
        if isinstance(wanted, Int) and type(value) is int and wanted.minimum <= value <= wanted.maximum:
            return Scalar(self.cx.build.const(value), wanted)
        return value

    def statements(self, nodes: list[ast.stmt]) -> None:
        """Lower statements, up to the first that can't be reached."""
        raise NotImplementedError

    def store(self, target: ast.expr, value: Any) -> None:
        """Assign a value to a target: a name, an attribute, an element, or several."""
        raise NotImplementedError

    def call(self, node: ast.Call, outcomes: tuple[Block, Block] | None = None) -> Any:
        """Lower a call; with `outcomes`, an inlined one as a condition (the result is then None)."""
        raise NotImplementedError
