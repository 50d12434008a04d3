"""uprobe and uretprobe by tracefs' `uprobe_events` (4.1): where perf_event_open can't."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pybpf import features
from pybpf.errors import LoadError
from pybpf.link import trace_event, uprobe
from pybpf.link.link import Link
from pybpf.link.trace_event import UPROBES, TraceEvent
from pybpf.sys import Fd

__all__ = ["attach", "attach_at"]


def attach(program: int, symbol: str, *, retprobe: bool = False, pid: int = -1, cookie: int = 0) -> Link:
    """Run the program (its descriptor) when a function of a file begins, or when it returns.

    Parameters and errors are those of uprobe.attach.
    """
    kind = "uretprobe.tracefs" if retprobe else "uprobe.tracefs"
    path, offset = uprobe.located(kind, symbol)
    return attach_at(kind, symbol, program, path, offset, retprobe=retprobe, pid=pid, cookie=cookie)


def attach_at(
    kind: str,
    symbol: str,
    program: int,
    path: str,
    offset: int,
    *,
    semaphore: int = 0,
    retprobe: bool = False,
    pid: int = -1,
    cookie: int = 0,
) -> Link:
    """The same at an offset in a file. `semaphore`: that of a counter to be 1 more meanwhile (4.20)."""
    features.require(features.uprobe_events())
    if any(map(str.isspace, path)):
        raise LoadError(f"{kind} {symbol}: a path with white space can't be given to tracefs", symbol)
    place = f"{path}:{offset:#x}" + (f"({semaphore:#x})" if semaphore else "")
    made = partial(TraceEvent, UPROBES, "r" if retprobe else "p", place)
    on = None if pid < 0 else [-1]
    why = partial(uprobe.why, path)
    return trace_event.attach(made, _link, kind, symbol, program, why, on=on, pid=pid, cookie=cookie)


def _link(
    event: TraceEvent, kind: str, symbol: str, links: Sequence[Fd], events: Sequence[Fd], cookie: int
) -> Link:
    return Link(kind, symbol, links, [*events, event], cookie)
