"""A program that runs: lowered for this host, loaded, attached, and its events read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pybpf import events, features
from pybpf.errors import UsageError
from pybpf.gadget.host import HostBuild
from pybpf.gadget.inflight import InFlight, in_flight
from pybpf.gadget.programs import Program
from pybpf.gadget.running import Running, filtered
from pybpf.spec import Int, Struct
from pybpf.sys.pages import PAGE

if TYPE_CHECKING:
    from pybpf.gadget.mount_namespaces import Wanted

__all__ = ["Session", "late_times"]

# Of each processor's perf buffer, if nothing else is asked for.
_SIZE = 256 * 1024


class Session(events.Stream):
    """Runs a program from `with` to its end, whatever ends it; nothing stays in the kernel.

    Read its events by `for event in session`, `async for event in session`, `.for_each(callback)`,
    `.batches()` or `.arrays()`: see events.Stream.

    `values` are those of the program's parameters, by name; `buffer` is `ringbuf`, `perf` or None for the
    best that this kernel has, and `size` its bytes (a perf buffer's of each processor), rounded up to a
    power of 2; `wanted` chooses mount namespaces and containers, which are followed; `attach` is the back-end
    for kernel functions, see HostBuild; `warn` is told of each function that can't be traced, which is an
    error when `strict`. Raises what lowering, loading and attaching raise.
    """

    def __init__(
        self,
        program: Program,
        values: Mapping[str, Any],
        *,
        buffer: str | None = None,
        size: int | None = None,
        wanted: Wanted | None = None,
        strict: bool = False,
        passes: frozenset[str] | None = None,
        attach: str = "auto",
        warn: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._inflight = program.gadget.inflight
        declared = program.events
        assert declared is not None
        pages = 1 << (((size or _SIZE) - 1) // PAGE).bit_length()
        ring = pages * PAGE if size else None
        build = HostBuild(
            program,
            filtered(values, wanted),
            buffer=buffer,
            size=ring,
            passes=passes,
            attach=attach,
            keep=True,
        )
        with contextlib.ExitStack() as owned:
            self._running = owned.enter_context(
                Running(build, values, wanted=wanted, strict=strict, warn=warn)
            )
            maps = self._running.maps
            reader = owned.enter_context(events.open_reader(maps[declared.name], pages))
            super().__init__(reader, declared.layout, maps[declared.heap])
            self.every = self._running.every
            if build.kept is None and late_times(declared.layout):
                build.keeping = False
                warn("this kernel has no bpf_ktime_get_boot_ns (5.8): times are when events are read")
            owned.callback(self._running.detach)
            self._running.attach()
            self._owned = owned.pop_all()

    @property
    def attached(self) -> list[str]:
        """The kernel functions, and other places, that are traced."""
        return self._running.attached

    @property
    def backends(self) -> list[str]:
        """For people: which back-end serves which kernel functions, and why not a cheaper one."""
        return self._running.backends

    @property
    def missed(self) -> dict[str, int]:
        """How often programs could not run where they are attached, by place, as far as the kernel says.

        A return probe is missed when more calls are under way than it has room for, any when it would
        interrupt another one. Of perf events the kernel tells since 6.7, of programs since 5.12.
        """
        return self._running.missed

    @property
    def dropped(self) -> dict[str, int]:
        """How often a map had no room for what a program put into it; of the maps of which that is so.

        What is not in its map is not seen either: of trace_fsslower, operations that began when `starts` was
        full.
        """
        return self._running.dropped

    def in_flight(self) -> list[InFlight]:
        """What has begun and not ended now, the oldest first: from the map that the gadget names for that.

        Raises UsageError when it names none.
        """
        if not self._inflight:
            raise UsageError(
                "this program names no map of what has begun and not ended: Gadget(…, inflight=…)"
            )
        return in_flight(self._running.maps[self._inflight])

    def give_up(self, keep: Iterable[str] = ()) -> frozenset[str]:
        """Drop all capabilities but `keep` and those that reading still needs; returns what is left."""
        return self._running.give_up(keep)

    def detach(self) -> None:
        """Take the probes off the kernel's functions; events that were sent before can still be read."""
        self._running.detach()

    def close(self) -> None:
        """End all: probes, buffer, programs, maps."""
        self._owned.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def late_times(layout: Struct) -> bool:
    """Are the times of these events when they are read, since this kernel can't tell when they are sent?"""
    roles = [leaf.layout.role for leaf in layout.leaves() if isinstance(leaf.layout, Int)]
    return "timestamp" in roles and not features.ktime_get_boot_ns()
