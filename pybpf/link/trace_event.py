"""Events that are made through tracefs, by a line in `kprobe_events` or `uprobe_events` (4.1).

Such an event is no descriptor's: who dies leaves it behind. Ours are in a group that holds our process's
number, so that the next run removes those of the dead.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from pybpf.errors import LoadError, SyscallError
from pybpf.link import event
from pybpf.link.link import Link
from pybpf.sys import processes, tracefs
from pybpf.uapi import perf_event

__all__ = ["KPROBES", "UPROBES", "TraceEvent", "attach", "sweep"]

KPROBES, UPROBES = "kprobe_events", "uprobe_events"
_OURS = r"(?m)^[pr]\d*:(pybpf_(\d+)/\S+)"
_numbers = itertools.count(1)


class TraceEvent(tracefs.Appender):
    """An event of our own, as the open file that made it, and removes it when closed. Raises SyscallError."""

    def __init__(self, file: str, kind: str, place: str) -> None:
        super().__init__(file)
        self.group, self.name = f"pybpf_{os.getpid()}", f"pybpf_{os.getpid()}_{next(_numbers)}"
        try:
            self.write(f"{kind}:{self.group}/{self.name} {place}")
        except SyscallError:
            super().close()
            raise

    def close(self) -> None:
        if not self.closed:
            _remove(self, f"{self.group}/{self.name}")
        super().close()


def _remove(events: tracefs.Appender, name: str) -> None:
    # It is busy for a moment after its last user has closed it; a pin keeps it so, and then it stays.
    for _ in range(20):
        try:
            return events.write(f"-:{name}")
        except SyscallError as error:
            if error.errno != errno.EBUSY:
                return None
        time.sleep(0.01)
    return None


def attach(
    made: Callable[[], TraceEvent],
    link: Callable[..., Link],
    kind: str,
    symbol: str,
    program: int,
    why: event.Why,
    **more: Any,
) -> Link:
    """Run the program at an event that is made for it, which goes with what is attached.

    `link(event, kind, symbol, links, events, cookie)` makes that; the rest is as `event.attach` has it.
    """
    with contextlib.ExitStack() as undo:
        try:
            owner = undo.enter_context(contextlib.closing(made()))
        except SyscallError as error:
            reason = why(error)
            if reason:
                raise LoadError(f"{kind} {symbol}: {reason}", symbol) from None
            raise
        more.update(type=perf_event.PERF_TYPE_TRACEPOINT)
        more.update(config=tracefs.tracepoint_id(owner.group, owner.name))
        attached = event.attach(kind, symbol, program, why, make=partial(link, owner), **more)
        undo.pop_all()
    return attached


def sweep() -> list[str]:
    """Remove the events of those that died with theirs in place; returns their names."""
    removed = []
    for file in (KPROBES, UPROBES):
        text = tracefs.read(file).decode()
        found = re.findall(_OURS, text) if text else []
        dead = [name for name, pid in found if not processes.alive(int(pid))]
        removed += dead
        if dead:
            with contextlib.closing(tracefs.Appender(file)) as events:
                for name in dead:
                    _remove(events, name)
    return removed
