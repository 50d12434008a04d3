"""A program that is attached."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple

from pybpf.sys import Fd, object_info

__all__ = ["Link", "LinkInfo"]


class LinkInfo(NamedTuple):
    """What an attachment is: `id` is the bpf_link's (of several the first), 0 where the kernel made none."""

    kind: str
    symbol: str
    id: int


class Link:
    """Owner of an attachment: `detach()`, `close()` or leaving `with` ends it; so does the process's end.

    It lasts as long as its descriptors: `links` are bpf_links, `others` what a program was set on otherwise.
    """

    def __init__(self, kind: str, symbol: str, links: Sequence[Fd], others: Sequence[Fd] = ()) -> None:
        self.kind = kind
        self.symbol = symbol
        self._links = tuple(links)
        self._owned = (*links, *others)

    def __repr__(self) -> str:
        attached = not all(each.closed for each in self._owned)
        return f"<{self.kind} {self.symbol}: {'attached' if attached else 'detached'}>"

    def info(self) -> LinkInfo:
        number = object_info(self._links[0].fileno(), "link", "id")[0] if self._links else 0
        return LinkInfo(self.kind, self.symbol, number)

    def detach(self) -> None:
        """Take the program off; nothing happens when that was done before."""
        for each in self._owned:
            each.close()

    close = detach

    def __enter__(self) -> Link:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.detach()
