"""Operations that have begun and not ended yet, from the map in which a program keeps them."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from pybpf.errors import UsageError
from pybpf.maps import Map
from pybpf.spec import Flat, Int, Layout, Pointer, Struct
from pybpf.sys.processes import comm

__all__ = ["InFlight", "in_flight"]

# The member of the values of such a map that says when an operation began, by ktime_get_ns().
_START = "ts"
# What names of members say of a number.
_TASKS = ("tid", "pid", "tgid")


class InFlight(NamedTuple):
    """An operation under way: for how many seconds, and what the map says: `tid 123 (cat), op F_READ`."""

    age: float
    said: str


def in_flight(map: Map) -> list[InFlight]:
    """What is under way now, the oldest first. Raises UsageError when the map doesn't say when it began."""
    if _START not in _members(map.spec.value, bytes(map.spec.value_size), _START):
        raise UsageError(f"{map.name} doesn't say when something began: its values have no {_START}: u64")
    now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    found = []
    for key, value in map.items():
        known = {**_members(map.spec.key, key, "key"), **_members(map.spec.value, value, _START)}
        began = known.pop(_START)[1]
        said = ", ".join(filter(None, (_text(name, *each) for name, each in known.items())))
        found.append(InFlight(max(0, now - began) / 1e9, said))
    return sorted(found, key=lambda each: -each.age)


def _members(layout: Layout | None, data: bytes, alone: str) -> dict[str, tuple[Layout, Any]]:
    """The members of a record by name; what is no record is called `alone`."""
    assert layout is not None
    values = Flat(layout).unpack(data)
    leaves = layout.leaves() if isinstance(layout, Struct) else ()
    members = [(leaf.name, leaf.layout) for leaf in leaves] or [(alone, layout)]
    return {name: (layout, value) for (name, layout), value in zip(members, values)}


def _text(name: str, layout: Layout, value: Any) -> str:
    """A member for people; empty when it says nothing to them, as an address."""
    if isinstance(layout, Pointer) or not value:
        return ""
    if isinstance(layout, Int):
        if layout.names is not None and value in iter(layout.names):
            return f"{name} {layout.names(value).name}"
        called = comm(value) if name in _TASKS else ""
        return f"{name} {value} ({called})" if called else f"{name} {value}"
    text = bytes(value).split(bytes(1))[0].decode(errors="backslashreplace")
    return f"{name} {text}" if text else ""
