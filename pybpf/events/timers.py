"""What is to be done now and then while events are read."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

__all__ = ["Chores", "Timers"]

# What to call now and then: pairs of seconds and a callback.
Chores = Sequence[tuple[float, Callable[[], object]]]


class Timers:
    """Calls each of `every` when its time is over, again and again; `next` is when the next one's is."""

    def __init__(self, every: Chores) -> None:
        now = time.monotonic()
        self._every = every
        self._due = [now + seconds for seconds, _ in self._every]
        self.next = min(self._due, default=math.inf)

    def run(self) -> None:
        """Call those that are due. One that is late is not called the more often for it."""
        now = time.monotonic()
        if now < self.next:
            return
        for index, (seconds, callback) in enumerate(self._every):
            if now >= self._due[index]:
                callback()
                self._due[index] = now + seconds
        self.next = min(self._due)
