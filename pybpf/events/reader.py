"""What both kinds of buffer have in common."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterable, Iterator
from types import TracebackType

from pybpf.events.records import Records
from pybpf.sys.pages import Poller

__all__ = ["Reader"]


class Reader:
    """Takes records out of a buffer that a program fills. Owner of what it maps and opens.

    `fileno()` can be given to select, poll, epoll or asyncio, for `tick` seconds at most: then records may be
    there although nobody was woken. `room` is the buffer's size in bytes, that of one processor's if each has
    its own. `lost` counts records that the buffer itself says it had no room for; see events/lost.py for
    which count to believe.
    """

    def __init__(self, fds: Iterable[int], owned: contextlib.ExitStack, room: int, tick: float) -> None:
        self.room = room
        self.tick = tick
        self.lost = 0
        self._poller = Poller(fds)
        owned.callback(self._poller.close)
        self._owned = owned.pop_all()

    def fileno(self) -> int:
        return self._poller.fileno()

    def poll(self, timeout_s: float | None) -> bool:
        """Wait for records; False when there were none for `timeout_s` seconds (None: wait without end)."""
        end = math.inf if timeout_s is None else time.monotonic() + timeout_s
        while not self.pending():
            left = end - time.monotonic()
            if left <= 0:
                return False
            left = min(left, self.tick)
            self._poller.wait(None if left == math.inf else left)
        return True

    def pending(self) -> bool:
        """Is anything there now?"""
        raise NotImplementedError

    def take(self) -> Iterator[Records]:
        """All records that are there now, those of one processor in the order in which they were sent.

        A part at a time, so that room is made for others while these are dealt with.
        """
        raise NotImplementedError

    def read(self) -> list[bytes]:
        """All records that are there, each as its own bytes."""
        return [record for records in self.take() for record in records.split()]

    def close(self) -> None:
        self._owned.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
