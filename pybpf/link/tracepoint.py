"""tracepoint: a program at a tracepoint, on its record, by perf_event_open(2) (4.7)."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from functools import partial

from pybpf.errors import LoadError, SyscallError, near
from pybpf.link import event
from pybpf.link.link import Link
from pybpf.sys import tracefs
from pybpf.uapi import perf_event

__all__ = ["absent", "attach", "there"]


def there(names: Iterable[str]) -> set[str]:
    """Which of these tracepoints (`category/name`) the kernel has."""
    return {name for name in names if tracefs.tracepoint_id(*name.split("/")) is not None}


def absent(name: str) -> str:
    """Why there is no such tracepoint, and what to do."""
    if tracefs.path() is None:
        return tracefs.absent()
    category, _, own = name.partition("/")
    known = tracefs.names("events")
    if category not in known:
        return f"this kernel has no tracepoints of {category!r}{near(category, known)}"
    return f"this kernel has no such tracepoint{near(own, tracefs.names(f'events/{category}'))}"


def _why(symbol: str, error: SyscallError) -> str:
    """What a refusal means here (perf_event_set_bpf_prog, kernel/events/core.c)."""
    if error.errno == errno.EACCES and error.call != "perf_event_open":
        return f"the program reads past the end of its record: see {tracefs.path()}/events/{symbol}/format"
    return ""


def attach(program: int, symbol: str, *, cookie: int = 0) -> Link:
    """Run the program (its descriptor) at the tracepoint `category/name`.

    `cookie`: see `event.attach`. Raises LoadError (`.name` is the tracepoint: not there, or a shorter
    record), UnsupportedFeature (a cookie) and SyscallError.
    """
    number = tracefs.tracepoint_id(*symbol.split("/"))
    if number is None:
        raise LoadError(f"tracepoint {symbol}: {absent(symbol)}", symbol)
    return event.attach(
        "tracepoint",
        symbol,
        program,
        partial(_why, symbol),
        cookie=cookie,
        type=perf_event.PERF_TYPE_TRACEPOINT,
        config=number,
    )
