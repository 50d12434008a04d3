r"""Events as CSV (RFC 4180): a line of the fields' names, then one event a line.

What a terminal would obey is written as in columns (`\x1b`), so an event never takes two lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pybpf.gadget.fields import Shown, rows
from pybpf.gadget.output.form import Form
from pybpf.gadget.text import escape

__all__ = ["Csv", "quote"]


class Csv(Form):
    """Values with commas between them."""

    def __init__(self, fields: Iterable[Shown]) -> None:
        shown = list(fields)
        self.header = ",".join(each.path for each in shown) + "\r\n"
        # A line of one empty value would look like no line at all.
        finish = quote if len(shown) > 1 else lambda text: quote(text) or '""'
        self._plan = [(each.source, each.make(finish)) for each in shown]
        self._template = ",".join("%d" if each.text is None else "%s" for each in shown) + "\r\n"

    def lines(self, batch: Sequence[tuple[Any, ...]]) -> str:
        return "".join(map(self._template.__mod__, rows(batch, self._plan)))


def quote(text: str) -> str:
    """A text as a value, in quotes where it must have them."""
    text = escape(text)
    if "," in text or '"' in text:
        return '"' + text.replace('"', '""') + '"'
    return text
