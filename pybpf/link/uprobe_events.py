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

__all__ = ["attach"]


def attach(program: int, symbol: str, *, retprobe: bool = False, pid: int = -1, cookie: int = 0) -> Link:
    """Run the program (its descriptor) when a function of a file begins, or when it returns.

    Parameters and errors are those of uprobe.attach.
    """
    features.require(features.uprobe_events())
    kind = "uretprobe.tracefs" if retprobe else "uprobe.tracefs"
    path, offset = uprobe.located(kind, symbol)
    if any(map(str.isspace, path)):
        raise LoadError(f"{kind} {symbol}: a path with white space can't be given to tracefs", symbol)
    made = partial(TraceEvent, UPROBES, "r" if retprobe else "p", f"{path}:{offset:#x}")
    on = None if pid < 0 else [-1]
    why = partial(uprobe.why, path)
    return trace_event.attach(made, _link, kind, symbol, program, why, on=on, pid=pid, cookie=cookie)


def _link(
    event: TraceEvent, kind: str, symbol: str, links: Sequence[Fd], events: Sequence[Fd], cookie: int
) -> Link:
    return Link(kind, symbol, links, [*events, event], cookie)
