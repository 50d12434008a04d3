"""What both kinds of buffer have in common."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from types import TracebackType

from pybpf.sys.pages import Poller

__all__ = ["Reader"]


class Reader:
    """Takes records out of a buffer that a program fills. Owner of what it maps and opens.

    `fileno()` can be given to select, poll, epoll or asyncio. `lost` counts records that the buffer itself
    says it had no room for; see events/lost.py for which count to believe.
    """

    def __init__(self, fds: Iterable[int], owned: contextlib.ExitStack) -> None:
        self.lost = 0
        self._poller = Poller(fds)
        owned.callback(self._poller.close)
        self._owned = owned.pop_all()

    def fileno(self) -> int:
        return self._poller.fileno()

    def poll(self, timeout_s: float | None) -> bool:
        """Wait for records; False when there were none for `timeout_s` seconds (None: wait without end)."""
        # First of all, since a perf event is readable once a wake-up, not as long as there are records.
        return self.pending() or self._poller.wait(timeout_s)

    def pending(self) -> bool:
        """Is anything there now?"""
        raise NotImplementedError

    def read(self) -> list[bytes]:
        """All records that are there, those of one processor in the order in which they were sent."""
        raise NotImplementedError

    def close(self) -> None:
        self._owned.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
