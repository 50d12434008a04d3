"""Lists, tuples, dicts and texts written out, and comprehensions: made at build time, of any values."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from pybpf.dsl.lower.base import Lowerer
from pybpf.dsl.lower.scope import assigned_names
from pybpf.dsl.values import Value, describe

__all__ = ["Displays"]


class Displays(Lowerer):
    """The part of lowering that puts values together."""

    def elements(self, nodes: Sequence[ast.expr]) -> list[Any]:
        """The values of expressions, among them `*sequence`."""
        found: list[Any] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                found += self._sequence(node.value, "*")
            else:
                found.append(self.value(node))
        return found

    def _sequence(self, node: ast.expr, what: str) -> Iterable[Any]:
        """What an expression gives, one by one."""
        value = self.value(node)
        if isinstance(value, Value) or not isinstance(value, Iterable):
            raise self.cx.error(f"{what} takes a sequence known at build time, not {describe(value)}", node)
        return value

    def _tuple(self, node: ast.Tuple) -> Any:
        return tuple(self.elements(node.elts))

    def _list(self, node: ast.List) -> Any:
        return self.elements(node.elts)

    def _dict(self, node: ast.Dict) -> Any:
        made: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values):
            if key is None:
                made.update(self.mapping(value))
            else:
                made[self._key(key)] = self.value(value)
        return made

    def mapping(self, node: ast.expr) -> dict[Any, Any]:
        """What stands behind `**`."""
        value = self.value(node)
        if not isinstance(value, dict):
            raise self.cx.error(f"** takes a dict, not {describe(value)}", node)
        return value

    def _key(self, node: ast.expr) -> Any:
        key = self.value(node)
        if isinstance(key, Value):
            found = key.describe()
            raise self.cx.error(f"a key of a dict is known at build time, not {found}: use a HashMap", node)
        return key

    def _listcomp(self, node: ast.ListComp) -> Any:
        return list(self._comprehended(node.generators, lambda: self.value(node.elt)))

    def _generatorexp(self, node: ast.GeneratorExp) -> Any:
        return list(self._comprehended(node.generators, lambda: self.value(node.elt)))

    def _dictcomp(self, node: ast.DictComp) -> Any:
        def item() -> tuple[Any, Any]:
            return self._key(node.key), self.value(node.value)

        return dict(self._comprehended(node.generators, item))

    def _comprehended(self, generators: list[ast.comprehension], element: Callable[[], Any]) -> Iterator[Any]:
        """The elements of a comprehension, whose variables are its own."""
        targets = assigned_names([ast.Expr(each.target) for each in generators])
        hidden = {name: self.scope.names[name] for name in targets if name in self.scope.names}
        yield from self._nested(generators, element)
        for name in targets:
            self.scope.names.pop(name, None)
        self.scope.names.update(hidden)

    def _nested(self, generators: list[ast.comprehension], element: Callable[[], Any]) -> Iterator[Any]:
        if not generators:
            yield element()
            return
        first, *rest = generators
        for each in self._sequence(first.iter, "a comprehension"):
            self.store(first.target, each)
            if all(self._decided(test) for test in first.ifs):
                yield from self._nested(rest, element)

    def _decided(self, test: ast.expr) -> bool:
        value = self.value(test)
        if isinstance(value, Value):
            raise self.cx.error("the condition of a comprehension must be known at build time", test)
        return bool(value)

    def _joinedstr(self, node: ast.JoinedStr) -> str:
        return "".join(self.value(part) for part in node.values)

    def _formattedvalue(self, node: ast.FormattedValue) -> str:
        value = self.value(node.value)
        if isinstance(value, Value):
            raise self.cx.error(
                f"a text is made at build time, and this is {value.describe()}: send the value, or write"
                ' snprintf(text, "%u", value)',
                node,
            )
        if node.conversion >= 0:
            value = f"{{!{chr(node.conversion)}}}".format(value)
        return format(value, self.value(node.format_spec) if node.format_spec else "")
