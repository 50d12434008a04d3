"""Events summed up: how many of each kind, and how large one of their numbers was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from pybpf.gadget.fields import Shown
from pybpf.gadget.output.form import Form, Part
from pybpf.gadget.output.gathered import Gathered
from pybpf.gadget.output.order import Key, ordered
from pybpf.spec import CString, Int

__all__ = ["Summary", "measure", "row_fields"]

_U64 = Int("u64", 8)
# Of a number, so many bits are told apart: what is said of half of the events is less than 1 % off.
_BITS = 8
_UNITS = ("ns", "us", "ms")


def measure(known: Sequence[Shown]) -> Shown | None:
    """The number that is summed up: the first that is a time, by the unit that its name ends in."""
    return next(
        (each for each in known if each.text is None and each.path.rpartition("_")[2] in _UNITS), None
    )


def row_fields(by: Sequence[Shown], value: Shown | None) -> list[Shown]:
    """The fields of a row: those that events are told apart by, and what is known of their `value`."""
    names = ["count"]
    if value is not None:
        unit = value.path.rpartition("_")[2]
        names += [f"{name}_{unit}" for name in ("total", "p50", "p99", "max")]
    return [
        *(each._replace(source=index) for index, each in enumerate(by)),
        *(Shown(name, len(by) + index, _U64) for index, name in enumerate(names)),
    ]


class Summary(Gathered):
    """A row for each kind of events that there were in a turn; `form` is one of `row_fields`."""

    def __init__(
        self, form: Form, by: Sequence[Shown], value: Shown | None, keys: Sequence[Key], top: int | None
    ) -> None:
        super().__init__(form)
        self._by = [(each.source, isinstance(each.layout, CString)) for each in by]
        self._value = None if value is None else value.source
        self._keys = keys
        self._top = top
        self._kinds: dict[tuple[Any, ...], _Kind] = {}

    def lines(self, batch: Sequence[tuple[Any, ...]]) -> str:
        by, value, kinds = self._by, self._value, self._kinds
        for event in batch:
            # What is behind a text's NUL tells nothing apart.
            kind = tuple(
                [event[source].partition(b"\0")[0] if text else event[source] for source, text in by]
            )
            found = kinds.get(kind)
            if found is None:
                found = kinds[kind] = _Kind()
            found.add(0 if value is None else event[value])
        return ""

    def turn(self) -> Part:
        kinds, self._kinds = self._kinds, {}
        rows = [
            (*kind, found.count, *([] if self._value is None else found.measures()))
            for kind, found in kinds.items()
        ]
        return self.shown(ordered(rows, self._keys, self._top))


class _Kind:
    """The events of one kind."""

    __slots__ = ("count", "most", "sizes", "total")

    def __init__(self) -> None:
        self.count = self.total = self.most = 0
        self.sizes: Counter[int] = Counter()

    def add(self, value: int) -> None:
        self.count += 1
        self.total += value
        if value > self.most:
            self.most = value
        fine = max(0, value.bit_length() - _BITS)
        self.sizes[value >> fine << fine] += 1

    def measures(self) -> Iterator[int]:
        yield self.total
        sizes = sorted(self.sizes.items())
        for part in (50, 99):
            left = -(-self.count * part // 100)
            for size, count in sizes:
                left -= count
                if left <= 0:
                    yield size
                    break
        yield self.most
