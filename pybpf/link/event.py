"""Programs on events of perf_event_open(2): what kprobes, uprobes, tracepoints and samples have in common."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterable
from typing import Any

from pybpf.errors import LoadError, SyscallError, UnsupportedFeature
from pybpf.link.link import Link
from pybpf.sys import Fd, command, cpus, perf
from pybpf.uapi import bpf

__all__ = ["attach"]

Why = Callable[[SyscallError], str]


def attach(
    kind: str,
    symbol: str,
    program: int,
    why: Why,
    on: Iterable[int] | None = None,
    pid: int = -1,
    cookie: int = 0,
    make: Callable[..., Link] = Link,
    **fields: Any,
) -> Link:
    """Run the program (its descriptor) at an event; `fields` are perf_event_attr's.

    `on`: one event on each of these CPUs; None: one event, bound to any processor that runs, on which the
    program runs wherever it happens. `pid`: one process, or all (-1). `cookie`: what the program gets by
    get_attach_cookie(); UnsupportedFeature before 5.15. `make` makes the link. `why` says what a refusal
    means here: with a reason it becomes LoadError (`.name` is the symbol), else it is SyscallError.
    """
    what = f"{kind} {symbol}"
    links, events = [], []
    with contextlib.ExitStack() as undo:
        for cpu in on or cpus.online()[:1]:
            try:
                event = undo.enter_context(perf.open_event(what, cpu, pid=pid, **fields))
            except SyscallError as error:
                raise _refused(what, symbol, error, why) from None
            events.append(event)
            try:
                link = _connect(program, event, cookie)
            except SyscallError as error:
                if error.errno != errno.EACCES:  # the event is there: it's not what `why` is about
                    raise
                raise _refused(what, symbol, error, why) from None
            if link is not None:
                links.append(undo.enter_context(link))
        undo.pop_all()
    return make(kind, symbol, links, events, cookie)


def _refused(what: str, symbol: str, error: SyscallError, why: Why) -> Exception:
    reason = why(error)
    return LoadError(f"{what}: {reason}", symbol) if reason else error.about(what)


def _connect(program: int, event: Fd, cookie: int) -> Fd | None:
    """Let the program run at the event: by a bpf_link (5.15), else by an ioctl, which gives no link."""
    try:
        number = command(
            bpf.BPF_LINK_CREATE,
            prog_fd=program,
            target_fd=event.fileno(),
            attach_type=bpf.BPF_PERF_EVENT,
            bpf_cookie=cookie,
        )
    except SyscallError as error:
        if error.errno != errno.EINVAL:
            raise
    else:
        return Fd(number, f"link of {event.what}")
    if cookie:
        raise UnsupportedFeature("cookies of perf events", "5.15", "write a probe for each place")
    perf.ioctl(event, "SET_BPF", program)
    perf.ioctl(event, "ENABLE")
    return None
