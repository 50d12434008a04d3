"""A program that is attached."""

from __future__ import annotations

from types import TracebackType
from typing import NamedTuple

from pybpf.sys import Fd, object_info

__all__ = ["Link", "LinkInfo"]


class LinkInfo(NamedTuple):
    """What an attachment is: `id` is the bpf_link's, 0 where the kernel made none (before 5.15)."""

    kind: str
    symbol: str
    id: int


class Link:
    """Owner of an attachment: `detach()`, `close()` or leaving `with` ends it; so does the process's end."""

    def __init__(self, kind: str, symbol: str, event: Fd, link: Fd | None = None) -> None:
        self.kind = kind
        self.symbol = symbol
        self._event = event
        self._link = link

    def __repr__(self) -> str:
        return f"<{self.kind} {self.symbol}: {'detached' if self._event.closed else 'attached'}>"

    def info(self) -> LinkInfo:
        number = object_info(self._link.fileno(), "link", "id")[0] if self._link else 0
        return LinkInfo(self.kind, self.symbol, number)

    def detach(self) -> None:
        """Take the program off; nothing happens when that was done before."""
        if self._link is not None:
            self._link.close()
        self._event.close()

    close = detach

    def __enter__(self) -> Link:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.detach()
