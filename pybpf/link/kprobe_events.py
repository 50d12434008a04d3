"""kprobe and kretprobe by tracefs' `kprobe_events` (4.1): where perf_event_open can't, or for `maxactive`.

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
from collections.abc import Sequence
from functools import partial

from pybpf import features
from pybpf.errors import LoadError, SyscallError
from pybpf.link import event
from pybpf.link.functions import refused
from pybpf.link.link import Link
from pybpf.sys import Fd, processes, tracefs
from pybpf.uapi import perf_event

__all__ = ["attach", "sweep"]

_FILE = "kprobe_events"
_OURS = re.compile(r"^[pr]\d*:(pybpf_(\d+)/\S+)", re.MULTILINE)
_numbers = itertools.count(1)


class _Event(tracefs.Appender):
    """An event of our own, as an open `kprobe_events` that removes it when closed. Raises SyscallError."""

    def __init__(self, kind: str, place: str) -> None:
        super().__init__(_FILE)
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


class _Link(Link):
    """What is attached to such an event, which goes with it."""

    def __init__(
        self, event: _Event, kind: str, symbol: str, links: Sequence[Fd], events: Sequence[Fd], cookie: int
    ) -> None:
        super().__init__(kind, symbol, links, [*events, event], cookie)
        self._event = event

    def missed(self) -> int | None:
        # A line is the event's name, how often it was hit, and how often it was missed.
        profile = tracefs.read("kprobe_profile").decode()
        counts = {name: int(missed) for name, _, missed in map(str.split, profile.splitlines())}
        return counts.get(self._event.name)


def attach(program: int, symbol: str, *, retprobe: bool = False, maxactive: int = 0, cookie: int = 0) -> Link:
    """Run the program (its descriptor) when the kernel function `symbol` begins, or when it returns.

    `symbol` may be what `kprobe.attach` takes. `maxactive`: for so many calls at a time the kernel can wait
    for their return, 0 for about twice as many as there are CPUs. `cookie`: see `event.attach`. Raises
    UnsupportedFeature, LoadError (`.name` is the symbol: not there, not traceable, ambiguous), SyscallError.
    """
    features.require(features.kprobe_events())
    kind = "kretprobe.tracefs" if retprobe else "kprobe.tracefs"
    letter = f"r{maxactive or ''}" if retprobe else "p"

    def why(error: SyscallError) -> str:
        return refused(symbol, error.errno or 0)

    with contextlib.ExitStack() as undo:
        try:
            made = undo.enter_context(contextlib.closing(_Event(letter, symbol)))
        except SyscallError as error:
            reason = why(error)
            if reason:
                raise LoadError(f"{kind} {symbol}: {reason}", symbol) from None
            raise
        link = event.attach(
            kind,
            symbol,
            program,
            why,
            cookie=cookie,
            make=partial(_Link, made),
            type=perf_event.PERF_TYPE_TRACEPOINT,
            config=tracefs.tracepoint_id(made.group, made.name),
        )
        undo.pop_all()
    return link


def sweep() -> list[str]:
    """Remove the events of those that died with theirs in place; returns their names."""
    found = _OURS.findall(tracefs.read(_FILE).decode())
    dead = [name for name, pid in found if not processes.alive(int(pid))]
    if dead:
        with contextlib.closing(tracefs.Appender(_FILE)) as events:
            for name in dead:
                _remove(events, name)
    return dead
