"""Timers of programs: which there are, and when they are due."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pybpf.vm.memory import Memory

if TYPE_CHECKING:
    from pybpf.vm.maps import Map

__all__ = ["Timer", "Timers"]


class Timer:
    """A timer at an `address` in a value of `map`. `due` is when `callback(map, key, value)` is called."""

    def __init__(self, map: Map, address: int) -> None:
        self.map = map
        self.address = address
        self.callback: Callable[..., int] | None = None
        self.due: int | None = None

    @property
    def value(self) -> int:
        """The address of the value that it lies in."""
        return self.address >> 32 << 32

    def key(self) -> bytes | None:
        """The key of that value; None once it has left the map."""
        return next((key for key, _ in self.map.items() if self.map.address_of(key) == self.value), None)


class Timers:
    """The timers of one machine; a timer's first 8 bytes are its number."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._all: list[Timer] = []

    def add(self, timer: Timer) -> None:
        self._all.append(timer)
        self._memory.store(timer.address, 8, len(self._all))

    def at(self, address: int) -> Timer | None:
        """The timer that was made at an address; None before, and once its element is gone."""
        if not self._memory.is_mapped(address, user=False):
            return None
        number = self._memory.load(address, 8)
        return self._all[number - 1] if number else None

    def next_due(self, now: int) -> Timer | None:
        """The first of those that are due by `now`, which is then no longer so."""
        due = [
            timer
            for timer in self._all
            if timer.due is not None and timer.due <= now and timer.key() and self.at(timer.address) is timer
        ]
        found = min(due, key=lambda timer: timer.due or 0, default=None)
        if found is not None:
            found.due = None
        return found
