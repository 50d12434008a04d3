"""A program that counts in the kernel: what it counted, shown at its end."""

from __future__ import annotations

import math
import select
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pybpf.dsl import LinearHist, Log2Hist, StackTrace
from pybpf.errors import UsageError
from pybpf.events.timers import Timers
from pybpf.gadget import folded, histogram
from pybpf.gadget.host import HostBuild
from pybpf.gadget.privilege import STACKS
from pybpf.gadget.programs import Program
from pybpf.gadget.running import Running, filtered

if TYPE_CHECKING:
    from pybpf.gadget.mount_namespaces import Wanted

__all__ = ["Report"]

# How often processes are looked at while they run, in seconds.
_LOOK = 1.0


class Report(Running):
    """Runs a program from `with` to its end, whatever ends it; nothing stays in the kernel.

    The arguments are those of Session. `counted` and `full` are known after `lines`.
    """

    def __init__(
        self,
        program: Program,
        values: Mapping[str, Any],
        *,
        wanted: Wanted | None = None,
        strict: bool = False,
        passes: frozenset[str] | None = None,
        attach: str = "auto",
        warn: Callable[[str], None] = lambda text: None,
    ) -> None:
        declared = program.report(values)
        assert declared is not None
        build = HostBuild(program, filtered(values, wanted), passes=passes, attach=attach)
        super().__init__(build, values, wanted=wanted, strict=strict, warn=warn)
        try:
            self._declared = declared
            self._map = self.maps[declared.name]
            self._stacks = None if isinstance(declared, (Log2Hist, LinearHist)) else self._folded(program)
            self.counted = 0
            self._before: list[histogram.Histogram] = []
            self.attach()
        except BaseException:
            self.close()
            raise

    def _folded(self, program: Program) -> folded.Folded:
        traces = [each.name for each in program.declarations.maps if isinstance(each, StackTrace)]
        if len(traces) != 1:
            raise UsageError(
                f"{program.name} can't show {self._declared.name}: it is no histogram, and there"
                f" {'are two maps' if traces else 'is no map'} of stack traces"
            )
        return folded.Folded(self._map, self.maps[traces[0]])

    def __enter__(self) -> Report:
        return self

    def give_up(self, keep: Iterable[str] = ()) -> frozenset[str]:
        return super().give_up([*keep, *(STACKS if self._stacks is not None else ())])

    def wait(
        self,
        *,
        timeout: float | None = None,
        wake: int | None = None,
        every: tuple[tuple[float, Callable[[], object]], ...] = (),
    ) -> None:
        """Let it count for `timeout` seconds, or until the descriptor `wake` is readable; then detach.

        `every` has what is to be done meanwhile, as events.Ends has it.
        """
        end = math.inf if timeout is None else time.monotonic() + timeout
        poll = select.poll()
        if wake is not None:
            poll.register(wake, select.POLLIN)
        look = () if self._stacks is None else ((_LOOK, self._stacks.note),)
        timers = Timers((*self.every, *every, *look))
        while True:
            left = min(timers.next, end) - time.monotonic()
            if poll.poll(None if left == math.inf else max(0.0, left) * 1000) or time.monotonic() >= end:
                break
            timers.run()
        self.detach()

    def lines(self, form: str) -> list[str]:
        """What was counted, as `columns` (text for people, or for flame graphs) or `json`.

        Of histograms, what was counted since the last call.
        """
        if self._stacks is not None:
            stacks = self._stacks.read()
            self.counted = sum(stack.times for stack in stacks)
            return [folded.as_json(stack) if form == "json" else folded.fold(stack) for stack in stacks]
        assert isinstance(self._declared, (Log2Hist, LinearHist))
        before, self._before = self._before, histogram.read(self._declared, self._map)
        self.counted = sum(each.total for each in self._before)
        found = histogram.since(before, self._before)
        return [histogram.as_json(each) if form == "json" else histogram.draw(each) for each in found]

    @property
    def full(self) -> str:
        """What to say when the map had no room for all; empty when it had."""
        most = self._map.spec.max_entries
        if most == 1 or sum(1 for _ in self._map.items()) < most:
            return ""
        return f"{self._declared.name} is full ({most} elements): some were not counted"
