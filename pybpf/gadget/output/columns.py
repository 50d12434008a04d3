"""Events as a table for people."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from pybpf.gadget.fields import Shown, rows
from pybpf.gadget.output.form import Form
from pybpf.gadget.output.widths import fitted, width_of
from pybpf.gadget.text import fit, width

__all__ = ["Table"]


class Table(Form):
    """Lines of cells below their headers, which are the first line.

    With `room`, a terminal's width, texts get as much of it as there is. No number is ever cut: what it takes
    more than its column has is taken from the spaces that follow.
    """

    repeated = True

    def __init__(self, columns: Sequence[tuple[str, Shown]], room: int | None = None) -> None:
        widths = fitted([width_of(header, shown) for header, shown in columns], room)
        self._plan = [
            (shown.source, shown.make(functools.partial(fit, cells=cells.now)))
            for cells, (_, shown) in zip(widths, columns)
        ]
        self._widths = widths
        self._template = " ".join(f"%{cells.now}d" if cells.number else "%s" for cells in widths)
        heads = [
            f"{header:>{cells.now}}" if cells.number else f"{header:<{cells.now}}"
            for cells, (header, _) in zip(widths, columns)
        ]
        self.header = " ".join(heads).rstrip() + "\n"
        self._width = sum(cells.now + 1 for cells in widths) - 1

    def lines(self, batch: Sequence[tuple[Any, ...]]) -> str:
        texts = []
        for row in rows(batch, self._plan):
            text = self._template % row
            if len(text) > self._width or not (text.isascii() or self._fits(row)):
                text = self._squeeze(row)
            texts.append(text.rstrip())
        return "\n".join([*texts, ""])

    def _fits(self, row: tuple[Any, ...]) -> bool:
        """Are all its numbers as wide as their columns? The texts are; but not all of a character a cell."""
        return all(
            not cells.number or len(str(value)) <= cells.now for value, cells in zip(row, self._widths)
        )

    def _squeeze(self, row: tuple[Any, ...]) -> str:
        """A line with a number wider than its column: what it takes is taken from the spaces that follow."""
        line, end = "", -1
        for value, cells in zip(row, self._widths):
            end += cells.now + 1
            line += " " if line else ""
            text = str(value).rstrip()
            room = " " * (end - width(line) - width(text))
            line += room + text if cells.number else text + room
        return line
