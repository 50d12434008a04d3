"""SIGINT and SIGTERM while a command runs: an end in good order."""

from __future__ import annotations

import os
import signal
from types import FrameType, TracebackType
from typing import Any

__all__ = ["Signals"]


class Signals:
    """Takes SIGINT and SIGTERM from `with` to its end.

    As long as `deferred` is False, a signal raises KeyboardInterrupt. When it's True, the first one makes
    `fileno()` readable, and only a second one raises. `number` is the signal that came, or 0.
    """

    def __init__(self) -> None:
        self.number = 0
        self.deferred = False

    @property
    def status(self) -> int:
        """The exit status of a command that a signal ended: 130 for SIGINT."""
        return 128 + self.number

    def fileno(self) -> int:
        return self._read

    def _handle(self, number: int, frame: FrameType | None) -> None:
        first, self.number = self.number == 0, number
        if not (self.deferred and first):
            raise KeyboardInterrupt

    def __enter__(self) -> Signals:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._handlers: dict[int, Any] = {
            number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._read)
        os.close(self._write)
