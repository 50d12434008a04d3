"""How wide columns are: what their values commonly need, and what a terminal has room for."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import NamedTuple

from pybpf.gadget.fields import Shown
from pybpf.gadget.net import Address
from pybpf.spec import CString

__all__ = ["Width", "fitted", "width_of"]

# Cells for a text: that of its bytes, but no more than this where nobody says how much room there is.
_TEXT = 32
# Cells for a number, by its size in bytes: what is common, not what is possible.
_NUMBER = {1: 4, 2: 5, 4: 7, 8: 10}
_TIME = len("2024-02-29T12:00:00.000000001Z")
_ACCOUNT = 12
_ADDRESS, _LONG_ADDRESS = 24, 39
_OPTIONAL = 16
# What is left of a text, and of a number, where room is short.
_LEAST = 6


class Width(NamedTuple):
    """Cells of a column: `now`, and what it may have. A number is aligned to the right."""

    now: int
    least: int
    most: int
    number: bool = False


def width_of(header: str, shown: Shown) -> Width:
    """What a column needs."""
    now, least, most = _cells(shown)
    own = len(header)
    return Width(max(now, own), max(least, own), max(most, own), shown.text is None)


def _cells(shown: Shown) -> tuple[int, int, int]:
    layout = shown.layout
    if shown.number is not None:
        return 19, 19, 19
    if shown.text is None:
        cells = _NUMBER[layout.size]
        return cells, min(cells, _LEAST), cells
    if shown.optional:
        return _OPTIONAL, _LEAST, _TEXT
    if isinstance(layout, CString):
        return min(layout.size, _TEXT), min(layout.size, _LEAST), layout.size
    if isinstance(layout, Address):
        return _ADDRESS, _LEAST, _LONG_ADDRESS
    if layout.names is not None:
        if issubclass(layout.names, enum.IntEnum):
            longest = max(map(len, layout.names.__members__), default=1)
            return longest, longest, longest
        return _TEXT, _LEAST, sum(len(name) + 1 for name in layout.names.__members__)
    if layout.role == "timestamp":
        return _TIME, _TIME, _TIME
    return _ACCOUNT, _LEAST, _TEXT


def fitted(columns: Sequence[Width], room: int | None) -> list[Width]:
    """The columns made to fit into so many cells, as far as they can: texts first, then numbers."""
    found = list(columns)
    if room is None:
        return found
    spare = room - sum(each.now + 1 for each in found) + 1
    while spare < 0:
        widest = max(found, key=lambda each: (each.now > each.least, not each.number, each.now))
        if widest.now == widest.least:
            break
        spare += 1
        found[found.index(widest)] = widest._replace(now=widest.now - 1)
    while spare > 0:
        cut = max(found, key=lambda each: each.most - each.now)
        if cut.most == cut.now:
            break
        spare -= 1
        found[found.index(cut)] = cut._replace(now=cut.now + 1)
    return found
