"""A program that runs: lowered for this host, loaded, attached, and its events read."""

from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any

from pybpf import events, features
from pybpf.codegen import OPTIONAL, Options
from pybpf.dsl import lower
from pybpf.gadget.attach import Attachments
from pybpf.gadget.filters import mntns_filter_map
from pybpf.gadget.programs import Program
from pybpf.load import load
from pybpf.spec import ObjectSpec, Struct

__all__ = ["Session", "host_spec"]


def host_spec(
    program: Program,
    values: Mapping[str, Any],
    buffer: str | None = None,
    passes: frozenset[str] = frozenset(OPTIONAL),
) -> ObjectSpec:
    """The program lowered for this host; `values` of parameters by name, `buffer` as `lower` has it.

    `passes` are those of the optimiser's that are optional.
    """
    target = features.host_target()
    return lower(program.declarations, values, target, buffer=buffer, options=Options(passes))


class Session:
    """Runs a program from `with` to its end, whatever ends it; nothing stays in the kernel.

    `values` are those of the program's parameters, by name; `buffer` is `ringbuf`, `perf` or None for the
    best that this kernel has; `warn` is told of each function that can't be traced, which is an error when
    `strict`. Raises what lowering, loading and attaching raise.
    """

    def __init__(
        self,
        program: Program,
        values: Mapping[str, Any],
        *,
        buffer: str | None = None,
        strict: bool = False,
        passes: frozenset[str] = frozenset(OPTIONAL),
        warn: Callable[[str], None] = lambda text: None,
    ) -> None:
        declared = program.declarations.events
        assert declared is not None
        self.layout: Struct = declared.layout
        self.shown = 0
        spec = host_spec(program, values, buffer, passes)
        # Before anything is loaded, which takes the most time.
        self._attachments = Attachments(spec, strict=strict, warn=warn)
        with contextlib.ExitStack() as owned:
            loaded = owned.enter_context(load(self._attachments.needed(spec)))
            if values.get("mntns"):
                loaded.maps[mntns_filter_map.name][values["mntns"]] = 1
            self._heap = loaded.maps[declared.heap]
            self._reader = owned.enter_context(events.open_reader(loaded.maps[declared.name]))
            owned.callback(self._attachments.close)
            self._attachments.attach(loaded)
            self._owned = owned.pop_all()

    @property
    def attached(self) -> list[str]:
        """The kernel functions that are traced."""
        return self._attachments.attached

    @property
    def lost(self) -> int:
        """How many events the buffer had no room for, until now."""
        return events.lost_sends(self._heap)

    def batches(
        self, *, timeout: float | None = None, most: int | None = None, wake: int | None = None
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Decoded events, all that are there at a time, as flat tuples of the layout's leaves.

        Ends after `timeout` seconds, after `most` events, or when the descriptor `wake` is readable. Then the
        probes are detached, and what is in the buffer by then still comes.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        decode = events.Decoder(self.layout).decode
        poll = select.poll()
        poll.register(self._reader.fileno(), select.POLLIN)
        if wake is not None:
            poll.register(wake, select.POLLIN)
        ending = False
        while not ending:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            ready = {fd for fd, _ in poll.poll(None if left is None else left * 1000)}
            ending = wake in ready or (deadline is not None and time.monotonic() >= deadline)
            if ending:
                self.detach()
            batch = [decode(record) for record in self._reader.read()]
            if most is not None and self.shown + len(batch) >= most:
                batch = batch[: most - self.shown]
                ending = True
            self.shown += len(batch)
            if batch:
                yield batch

    def detach(self) -> None:
        """Take the probes off the kernel's functions; events that were sent before can still be read."""
        self._attachments.close()

    def close(self) -> None:
        """End all: probes, buffer, programs, maps."""
        self._owned.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
