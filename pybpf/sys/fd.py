"""A descriptor and its owner."""

from __future__ import annotations

import os
import warnings
from types import TracebackType

__all__ = ["Fd"]


class Fd:
    """Owner of a descriptor: closed on leaving `with`, or by `close()`, which may be called again.

    `what` says what the descriptor is, for messages. An owner that is collected while its descriptor is
    open closes it and gives a ResourceWarning, as files do.
    """

    __slots__ = ("_fd", "what")

    def __init__(self, fd: int, what: str) -> None:
        self._fd = fd
        self.what = what

    def __repr__(self) -> str:
        return f"<{self.what}: {'closed' if self.closed else f'descriptor {self._fd}'}>"

    @property
    def closed(self) -> bool:
        return self._fd < 0

    def fileno(self) -> int:
        """The descriptor; ValueError when it is closed."""
        if self._fd < 0:
            raise ValueError(f"{self.what} is closed")
        return self._fd

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Fd:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if not self.closed:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, stacklevel=2, source=self)
            self.close()
