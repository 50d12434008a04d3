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
        self._limits = [
            (index, -(10 ** (cells.now - 1)), 10**cells.now)
            for index, cells in enumerate(widths)
            if cells.number
        ]
        self._width = sum(cells.now + 1 for cells in widths) - 1

    def lines(self, batch: Sequence[tuple[Any, ...]]) -> str:
        made = list(rows(batch, self._plan))
        texts = list(map(self._template.__mod__, made))
        # Of most batches no line needs a second look. Not all texts have a cell for each character: then a
        # line's length doesn't tell that a number is too wide.
        if max(map(len, texts), default=0) > self._width or (
            not "".join(texts).isascii() and self._overflow(made)
        ):
            texts = list(map(self._checked, texts, made))
        return "\n".join([*map(str.rstrip, texts), ""])

    def _checked(self, text: str, row: tuple[Any, ...]) -> str:
        """A line of a batch in which some number is too wide."""
        return self._squeeze(row) if len(text) > self._width or self._overflow([row]) else text

    def _overflow(self, made: Sequence[tuple[Any, ...]]) -> bool:
        """Is one of the numbers of these rows wider than its column?"""
        columns = list(zip(*made))
        return any(
            not low < min(columns[index]) <= max(columns[index]) < high for index, low, high in self._limits
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
