"""kprobe and kretprobe by tracefs' `kprobe_events` (4.1): where perf_event_open can't, or for `maxactive`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pybpf import features
from pybpf.errors import SyscallError
from pybpf.link import trace_event
from pybpf.link.functions import refused
from pybpf.link.link import Link
from pybpf.link.trace_event import KPROBES, TraceEvent, sweep
from pybpf.sys import Fd, tracefs

__all__ = ["attach", "sweep"]


class _Link(Link):
    """What is attached to such an event, which goes with it."""

    def __init__(
        self,
        event: TraceEvent,
        kind: str,
        symbol: str,
        links: Sequence[Fd],
        events: Sequence[Fd],
        cookie: int,
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

    made = partial(TraceEvent, KPROBES, letter, symbol)
    return trace_event.attach(made, _Link, kind, symbol, program, why, cookie=cookie)
