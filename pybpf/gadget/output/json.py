"""Events as JSON: keys sorted, the field's dotted name as nested objects.

All is ASCII. A byte of a text that isn't UTF-8 is a lone surrogate (`\\udc80` to `\\udcff`), as Python's
surrogateescape has it, so that it's not lost: `text.encode("utf-8", "surrogateescape")` gives the bytes.
"""

from __future__ import annotations

from json.encoder import encode_basestring_ascii

from pybpf.gadget.output.tree import TreeForm

__all__ = ["JsonLines", "JsonPretty"]


class JsonLines(TreeForm):
    """One event a line."""

    comma = ","
    text = staticmethod(encode_basestring_ascii)  # type: ignore[assignment]

    def document(self, text: str) -> str:
        return text + "\n"

    def whole(self, members: str, depth: int) -> str:
        return f"{{{members}}}"

    def member(self, name: str, value: str, depth: int) -> str:
        return f'"{name}":{value}'


class JsonPretty(JsonLines):
    """One member a line, for people: a sequence of objects."""

    def whole(self, members: str, depth: int) -> str:
        return f"{{{members}\n{'  ' * depth}}}" if members else "{}"

    def member(self, name: str, value: str, depth: int) -> str:
        return f'\n{"  " * (depth + 1)}"{name}": {value}'
