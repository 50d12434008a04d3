"""Histograms that a program keeps in the kernel: read, and shown with bars or as JSON."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from typing import Any, NamedTuple

from pybpf.dsl import LinearHist, Log2Hist
from pybpf.gadget.clock import Clock
from pybpf.gadget.fields import fields
from pybpf.gadget.text import escape
from pybpf.maps import Map
from pybpf.spec import Flat, Struct

__all__ = ["Histogram", "Slot", "as_json", "draw", "read", "since"]

_BAR = 40


class Slot(NamedTuple):
    """How many `times` something from `first` to `last` (None: or more) was observed."""

    first: int
    last: int | None
    times: int


class Histogram(NamedTuple):
    """The observations of one `key` (names, and texts or numbers): slots from the first used to the last."""

    name: str
    key: dict[str, Any]
    slots: tuple[Slot, ...]

    @property
    def total(self) -> int:
        return sum(slot.times for slot in self.slots)


def read(declared: Log2Hist | LinearHist, map: Map) -> list[Histogram]:
    """All histograms of a map, sorted by their keys."""
    if declared.row is None:
        ((_, value),) = map.items()
        counts = dict(enumerate(struct.unpack(f"<{declared.slots}Q", value)))
        return [Histogram(declared.name, {}, _slots(declared, counts))] if any(counts.values()) else []
    layout = declared.row.fields[0].layout
    whole = layout if isinstance(layout, Struct) else Struct("key", [(layout.name, layout)])
    # Of the fields that one value is shown as, the first.
    shown = {each.source: each for each in reversed(fields(whole, Clock()))}
    rows = Flat(declared.row)
    found: dict[tuple[Any, ...], dict[int, int]] = {}
    for row, value in map.items():
        *key, slot = rows.unpack(row)
        found.setdefault(tuple(key), {})[slot] = int.from_bytes(value, "little")
    made = []
    for values, slots in found.items():
        texts = {
            each.path: each.text(values[source]) if each.text else values[source]
            for source, each in sorted(shown.items())
        }
        made.append(Histogram(declared.name, texts, _slots(declared, slots)))
    return sorted(made, key=lambda histogram: list(histogram.key.values()))


def _slots(declared: Log2Hist | LinearHist, counts: dict[int, int]) -> tuple[Slot, ...]:
    used = [slot for slot, count in counts.items() if count]
    return tuple(
        Slot(*_bounds(declared, slot), counts.get(slot, 0)) for slot in range(min(used), max(used) + 1)
    )


def since(before: Iterable[Histogram], now: Iterable[Histogram]) -> list[Histogram]:
    """What was observed between two readings; histograms without any are left out."""
    counts = {
        (*histogram.key.values(), slot.first): slot.times for histogram in before for slot in histogram.slots
    }
    found = []
    for histogram in now:
        slots = [
            slot._replace(times=slot.times - counts.get((*histogram.key.values(), slot.first), 0))
            for slot in histogram.slots
        ]
        used = [index for index, slot in enumerate(slots) if slot.times]
        if used:
            found.append(histogram._replace(slots=tuple(slots[used[0] : used[-1] + 1])))
    return found


def _bounds(declared: Log2Hist | LinearHist, slot: int) -> tuple[int, int | None]:
    if isinstance(declared, LinearHist):
        last = None if slot == declared.slots - 1 else (slot + 1) * declared.step - 1
        return slot * declared.step, last
    return (1 << slot) >> 1, (1 << slot) - 1


def draw(histogram: Histogram) -> str:
    """The histogram as lines of text, with bars."""
    key = ", ".join(f"{name} {escape(str(value))}" for name, value in histogram.key.items())
    head = f"{histogram.name}{' of ' if key else ''}{key}: {histogram.total} in all"
    ranges = [_range(slot) for slot in histogram.slots]
    width = max(map(len, ranges))
    counts = max(len(str(slot.times)) for slot in histogram.slots)
    most = max(slot.times for slot in histogram.slots)
    lines = [
        f"  {text:>{width}}  {slot.times:>{counts}} |{'#' * -(-slot.times * _BAR // most):<{_BAR}}|"
        for text, slot in zip(ranges, histogram.slots)
    ]
    return "\n".join([head, *lines, ""])


def _range(slot: Slot) -> str:
    if slot.last is None:
        return f"{slot.first} and more"
    return str(slot.first) if slot.first == slot.last else f"{slot.first} to {slot.last}"


def as_json(histogram: Histogram) -> str:
    """The histogram as one line: its key, and the slots that have counts."""
    slots = [
        {"from": slot.first, "to": slot.last, "count": slot.times} for slot in histogram.slots if slot.times
    ]
    return json.dumps({"name": histogram.name, **histogram.key, "slots": slots}, sort_keys=True) + "\n"
