"""`match` on constants (Python 3.10): a chain of comparisons."""

from __future__ import annotations

import ast
from typing import Any

from pybpf.dsl.lower.loops import Loops
from pybpf.dsl.lower.nodes import rejected

__all__ = ["Matches"]


class Matches(Loops):
    """The part of lowering that matches. The nodes are named by text, since Python 3.9 has none of them."""

    def _match_statement(self, node: Any) -> None:
        subject = "the value that is matched"
        self.scope.assign(subject, self.value(node.subject))
        paths = []
        for case in node.cases:
            if self.cx.build.block is None:
                break
            body, rest = self.cx.build.new_block("case"), self.cx.build.new_block("next")
            self._branch_pattern(case, subject, body, rest)
            names, assigned = dict(self.scope.names), dict(self.cx.assigned)
            if body.preds:
                self.cx.build.enter(body)
                self.statements(case.body)
                paths.append(self.scope.path())
            self.scope.names, self.cx.assigned = names, assigned
            self.cx.build.block = None
            if rest.preds:
                self.cx.build.enter(rest)
        self.scope.join([*paths, self.scope.path()])
        self.scope.names.pop(subject, None)

    def _branch_pattern(self, case: Any, subject: str, body: Any, rest: Any) -> None:
        """Go to `body` when a case's pattern and guard hold, else to `rest`."""
        values = self._values(case.pattern)
        test: ast.expr = ast.Constant(True)
        if values is not None:
            name = ast.Name(subject, ast.Load())
            equals: list[ast.expr] = [ast.Compare(name, [ast.Eq()], [value]) for value in values]
            test = equals[0] if len(equals) == 1 else ast.BoolOp(ast.Or(), equals)
        if case.guard is not None:
            test = ast.BoolOp(ast.And(), [test, case.guard])
        for part in ast.walk(test):
            if not hasattr(part, "lineno"):
                ast.copy_location(part, case.pattern)
        self.branch(test, body, rest)

    def _values(self, pattern: Any) -> list[ast.expr] | None:
        """The constants that a pattern stands for; None for `_`, which takes all."""
        kind = type(pattern).__name__
        if kind == "MatchValue":
            return [pattern.value]
        if kind == "MatchSingleton":
            return [ast.copy_location(ast.Constant(pattern.value), pattern)]
        if kind == "MatchAs" and pattern.pattern is None and pattern.name is None:
            return None
        if kind == "MatchOr":
            parts = [self._values(part) for part in pattern.patterns]
            return None if any(part is None for part in parts) else [v for part in parts for v in part or ()]
        raise self.cx.error(rejected(pattern), pattern)
