"""One reading of a buffer, from its first turn to its end: wait, take, and again."""

from __future__ import annotations

import contextlib
import math
import select
import time
from collections.abc import Iterator

from pybpf.events.pace import Pace
from pybpf.events.reader import Reader
from pybpf.events.records import Records
from pybpf.events.timers import Timers

__all__ = ["Turns"]

# Seconds between two looks at what was lost.
_LOOK = 1.0
# Seconds to wait for a program that is still writing the first record.
_BUSY = 0.001


class Turns:
    """What sync and async reading have in common. A turn is `wait()` or `wait_async()`, `taken()`,
    `timers.run()`, `due()`.

    A wait sets `ended` when `timeout` seconds are over or the descriptor `wake` is readable.
    """

    def __init__(self, reader: Reader, timeout: float | None, wake: int | None, timers: Timers) -> None:
        now = time.monotonic()
        self.ended = False
        self.timers = timers
        self._reader = reader
        self._deadline = math.inf if timeout is None else now + timeout
        self._pace = Pace(reader.room, now)
        self._nap = 0.0
        self._looked, self._look = 0.0, math.inf
        self._fds = [reader.fileno()] if wake is None else [reader.fileno(), wake]
        self._both, self._wake = select.poll(), select.poll()
        for fd in self._fds:
            self._both.register(fd, select.POLLIN)
        for fd in self._fds[1:]:
            self._wake.register(fd, select.POLLIN)

    def wait(self) -> None:
        """Until there are events, the end, or something else to do."""
        if not (self._nap and self._wake.poll(self._nap * 1000)):
            left = self._left()
            self._both.poll(None if left is None else left * 1000)
        self._see()

    async def wait_async(self) -> None:
        """The same, while others run."""
        import asyncio

        await asyncio.sleep(self._nap)
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        for fd in self._fds:
            loop.add_reader(fd, ready.set)
        try:
            with contextlib.suppress(asyncio.TimeoutError):
                # What comes before add_reader may wake nobody, so the buffer is looked at after that.
                await asyncio.wait_for(ready.wait(), self._left())
        finally:
            for fd in self._fds:
                loop.remove_reader(fd)
        self._see()

    def taken(self) -> Iterator[Records]:
        """All that is in the buffer."""
        size = 0
        for records in self._reader.take():
            size += len(records.data)
            yield records
        self._nap = self._pace.nap(size, time.monotonic())
        if size:
            self._look = self._looked + _LOOK
        elif self._reader.pending():
            self._nap = _BUSY

    def due(self) -> bool:
        """Is it time to look at what was lost? After events, a second after the last look, and at the end."""
        now = time.monotonic()
        if now < self._look and not self.ended:
            return False
        self._looked, self._look = now, math.inf
        return True

    def _left(self) -> float | None:
        """How long a wait may last: seconds, or without end."""
        if self._reader.pending():
            return 0.0
        due = min(self._deadline, self._look, self.timers.next)
        left = min(due - time.monotonic(), self._reader.tick)
        return None if left == math.inf else max(0.0, left)

    def _see(self) -> None:
        self.ended = time.monotonic() >= self._deadline or bool(self._wake.poll(0))
