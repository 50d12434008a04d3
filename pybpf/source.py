"""Where in a file something was written: for messages, line info and listings."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Location"]


class Location(NamedTuple):
    """A place in a source file: `line` and `column` count from 1, `end_column` is one past the last."""

    file: str
    line: int
    column: int = 1
    end_column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    @property
    def text(self) -> str:
        """The source line, without its newline; empty when the file can't be read."""
        import linecache

        return linecache.getline(self.file, self.line).rstrip("\n")

    def snippet(self) -> str:
        """The source line with carets below the place, indented by four; empty when there is no line."""
        text = self.text
        if not text.strip():
            return ""
        indent = len(text) - len(text.lstrip())
        width = max(1, self.end_column - self.column)
        width = min(width, max(1, len(text) - self.column + 1))
        carets = " " * max(0, self.column - 1 - indent) + "^" * width
        return f"    {text.strip()}\n    {carets}"
