"""A program that is attached."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple

from pybpf import features
from pybpf.errors import LoadError
from pybpf.sys import Fd, bpffs, object_info
from pybpf.uapi import bpf

__all__ = ["Link", "LinkInfo"]


_KPROBES = (bpf.BPF_PERF_EVENT_KPROBE, bpf.BPF_PERF_EVENT_KRETPROBE)


class LinkInfo(NamedTuple):
    """What an attachment is.

    `id` is the bpf_link's (of several the first), and `program` that of its program; both are 0 where the
    kernel made no link. `cookie` is what the program gets by `get_attach_cookie()`, and `pinned` the path.
    """

    kind: str
    symbol: str
    id: int
    program: int
    cookie: int
    pinned: str


def _missed(link: int) -> int | None:
    (kind,) = object_info(link, "link", "type")
    if kind == bpf.BPF_LINK_TYPE_KPROBE_MULTI:
        count, missed = object_info(link, "link", "kprobe_multi_count", "kprobe_multi_missed")
        return int(missed) if count else None
    if kind == bpf.BPF_LINK_TYPE_PERF_EVENT:
        event, missed = object_info(link, "link", "perf_event_type", "perf_event_missed")
        return int(missed) if event in _KPROBES else None
    return None


class Link:
    """Owner of an attachment: `detach()`, `close()` or leaving `with` ends it; so does the process's end.

    It lasts as long as its descriptors: `links` are bpf_links, `others` what a program was set on otherwise.
    One that is pinned lasts as long as its file, too.
    """

    def __init__(
        self, kind: str, symbol: str, links: Sequence[Fd], others: Sequence[Fd] = (), cookie: int = 0
    ) -> None:
        self.kind = kind
        self.symbol = symbol
        self.cookie = cookie
        self._links = tuple(links)
        self._owned = (*links, *others)
        self._pinned = ""

    @classmethod
    def joined(cls, links: Sequence[Link]) -> Link:
        """One of several of the same program, which it owns from now on."""
        first = links[0]
        made = cls(
            first.kind, first.symbol, [each for link in links for each in link._links], (), first.cookie
        )
        made._owned = tuple(each for link in links for each in link._owned)
        return made

    def __repr__(self) -> str:
        attached = self._pinned or not all(each.closed for each in self._owned)
        return f"<{self.kind} {self.symbol}: {'attached' if attached else 'detached'}>"

    def fileno(self) -> int:
        """The bpf_link's descriptor (of several the first's). Raises as `pin` does where there is none."""
        return self._bpf_links()[0].fileno()

    def info(self) -> LinkInfo:
        number, program = 0, 0
        if self._links:
            number, program = object_info(self._links[0].fileno(), "link", "id", "prog_id")
        return LinkInfo(self.kind, self.symbol, number, program, self.cookie, self._pinned)

    def missed(self) -> int | None:
        """How often the kernel had to leave its program out, as for want of a kretprobe's memory.

        None where it doesn't say, or what is attached can't be missed so (kprobes: 6.7; tracefs: all).
        """
        counts = [_missed(each.fileno()) for each in self._links if not each.closed]
        return sum(filter(None, counts)) if any(count is not None for count in counts) else None

    def pin(self, path: str) -> None:
        """Keep it attached, after this process's end too, by a file in a bpffs, until that is unlinked (5.7).

        Where there are several bpf_links, one a CPU or one a place, `path` becomes a folder of them. Raises
        UnsupportedFeature (perf events have links since 5.15), LoadError (its kind has none, or it is pinned
        already), SyscallError.
        """
        links = self._bpf_links()
        if self._pinned:
            raise LoadError(f"{self.kind} {self.symbol} is pinned already, at {self._pinned}", self.symbol)
        if len(links) == 1:
            bpffs.pin(links[0].fileno(), path)
        else:
            with contextlib.ExitStack() as undo:
                bpffs.folder(path)
                undo.callback(os.rmdir, path)
                for number, each in enumerate(links):
                    bpffs.pin(each.fileno(), f"{path}/{number}")
                    undo.callback(os.unlink, f"{path}/{number}")
                undo.pop_all()
        self._pinned = path

    def unpin(self) -> None:
        """Remove what `pin` made; nothing happens when it isn't pinned, or somebody else removed it."""
        path, self._pinned = self._pinned, ""
        if not path:
            return
        with contextlib.suppress(FileNotFoundError):
            if len(self._links) == 1:
                os.unlink(path)
                return
            for number in range(len(self._links)):
                os.unlink(f"{path}/{number}")
            os.rmdir(path)

    def _bpf_links(self) -> tuple[Fd, ...]:
        if self._links:
            return self._links
        if self.kind != "socket_filter":
            features.require(features.perf_link())
        raise LoadError(
            f"{self.kind} {self.symbol} has no bpf_link, which could be pinned: it lasts as long as its"
            " process",
            self.symbol,
        )

    def detach(self) -> None:
        """Take the program off, unless it is pinned; nothing happens when that was done before."""
        for each in self._owned:
            each.close()

    close = detach

    def __enter__(self) -> Link:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.detach()
