"""Events as a table for people."""

from __future__ import annotations

import enum
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

from pybpf.errors import UsageError, near
from pybpf.events import Loss
from pybpf.gadget.clock import Clock
from pybpf.gadget.fields import ENRICHED, Make, Shown, fields, rows
from pybpf.gadget.gadget import Column
from pybpf.gadget.net import Address
from pybpf.gadget.text import fit, width
from pybpf.spec import CString, Struct

__all__ = ["Table"]

# Cells for a text: that of its bytes, but no more than this.
_TEXT = 32
# Cells for a number, by its size in bytes: what is common, not what is possible. No number is ever cut.
_NUMBER = {1: 4, 2: 5, 4: 7, 8: 10}
_TIME = len("2024-02-29T12:00:00.000000001Z")
_ACCOUNT = 12
_ADDRESS = 24
_ENRICHED = 16


class _Cell(NamedTuple):
    width: int
    right: bool  # a number, aligned to the right
    source: int
    make: Make


class Table:
    """Makes lines from batches of decoded events; `header` is the first line."""

    def __init__(self, columns: Sequence[Column], layout: Struct, clock: Clock) -> None:
        known = {shown.path: shown for shown in fields(layout, clock)}
        self._cells = [_cell(column, known) for column in columns]
        self._plan = [(cell.source, cell.make) for cell in self._cells]
        self._template = " ".join(f"%{cell.width}d" if cell.right else "%s" for cell in self._cells)
        heads = [
            f"{column.header:>{cell.width}}" if cell.right else f"{column.header:<{cell.width}}"
            for column, cell in zip(columns, self._cells)
        ]
        self.header = " ".join(heads).rstrip() + "\n"
        self._width = sum(cell.width + 1 for cell in self._cells) - 1

    def lines(self, batch: Sequence[tuple[Any, ...]]) -> str:
        """The text of a batch, each line with its newline."""
        texts = []
        for row in rows(batch, self._plan):
            text = self._template % row
            if len(text) > self._width:
                text = self._squeeze(row)
            texts.append(text.rstrip())
        return "\n".join([*texts, ""])

    def lost(self, losses: Sequence[Loss]) -> str:
        """Nothing: a table has no place for it."""
        return ""

    def _squeeze(self, row: tuple[Any, ...]) -> str:
        """A line with a number wider than its column: what it takes is taken from the spaces that follow."""
        line, end = "", -1
        for value, cell in zip(row, self._cells):
            end += cell.width + 1
            line += " " if line else ""
            text = str(value).rstrip()
            room = " " * (end - width(line) - width(text))
            line += room + text if cell.right else text + room
        return line


def _cell(column: Column, known: dict[str, Shown]) -> _Cell:
    if column.field in ENRICHED:
        cells = max(_ENRICHED, len(column.header))
        return _Cell(cells, False, 0, lambda value: " " * cells)
    if column.field not in known:
        names = [*known, *ENRICHED]
        raise UsageError(
            f"column {column.header}: events have no field {column.field!r}{near(column.field, names)}"
        )
    shown = known[column.field]
    cells = max(_width(shown), len(column.header))
    return _Cell(cells, shown.text is None, shown.source, shown.make(functools.partial(fit, cells=cells)))


def _width(shown: Shown) -> int:
    layout = shown.layout
    if isinstance(layout, CString):
        return min(layout.size, _TEXT)
    if shown.number is not None:
        return 19
    if shown.text is None:
        return _NUMBER[layout.size]
    if isinstance(layout, Address):
        return _ADDRESS
    if layout.names is not None:
        longest = max(map(len, layout.names.__members__))
        return longest if issubclass(layout.names, enum.IntEnum) else _TEXT
    return _TIME if layout.role == "timestamp" else _ACCOUNT
