"""Events that are held back, to be shown in order, or summed up, once an interval or all is over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pybpf.events import Loss
from pybpf.gadget.output.form import Form, Part
from pybpf.gadget.output.order import Key, ordered

__all__ = ["Gathered", "Sorted"]

# Events that are kept beyond those that may be shown, before the others are let go.
_MORE = 4096


class Gathered(Form):
    """Shows rows in another form, at each turn. A table has its header each time."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self.repeated = form.repeated
        self.header = form.header if not form.repeated else ""

    def lost(self, losses: Sequence[Loss]) -> Part:
        return self._form.lost(losses)

    def shown(self, rows: Sequence[tuple[Any, ...]]) -> Part:
        """What is shown of rows."""
        lines = self._form.lines(rows)
        return f"{self._form.header!s}{lines!s}" if self.repeated else lines


class Sorted(Gathered):
    """The events of a turn in order; with `top` no more than so many of them."""

    def __init__(self, form: Form, keys: Sequence[Key], top: int | None) -> None:
        super().__init__(form)
        self._keys = keys
        self._top = top
        self._events: list[tuple[Any, ...]] = []

    def lines(self, batch: Sequence[tuple[Any, ...]]) -> str:
        self._events += batch
        if self._top is not None and len(self._events) > self._top + _MORE:
            self._events = ordered(self._events, self._keys, self._top)
        return ""

    def turn(self) -> Part:
        events, self._events = ordered(self._events, self._keys, self._top), []
        return self.shown(events)
