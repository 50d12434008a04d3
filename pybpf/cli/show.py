"""Events from where they come to where they are shown."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pybpf.cli.console import Console
from pybpf.cli.view import View
from pybpf.events import Loss

if TYPE_CHECKING:
    from pybpf.gadget.recording.recorder import Recorder

__all__ = ["Source", "show"]

# Seconds between two looks at what the line of status says.
_LOOK = 0.5


class Source(Protocol):
    """Where events come from; see events.Stream."""

    shown: int

    @property
    def lost(self) -> int: ...

    @property
    def lost_by_cpu(self) -> dict[int, int]: ...

    def batches(self, **ends: Any) -> Iterator[list[tuple[Any, ...]]]: ...


def show(
    source: Source,
    view: View,
    console: Console,
    args: argparse.Namespace,
    *,
    prepare: Callable[[Sequence[Any]], object] = lambda batch: None,
    wake: int | None = None,
    interval: float | None = None,
    recorder: Recorder | None = None,
    also: Iterable[tuple[float, Callable[[], object]]] = (),
    counts: Callable[[], Mapping[str, int]] = dict,
) -> None:
    """Show events until an end, and say how many; `prepare` is called with each batch before it's shown.

    All of them go to the `recorder`, those too that the view leaves out. `also`: what else to call, each
    after so many seconds. `counts`: what the line of status says besides.
    """
    form, begun, shown, turned = view.form, time.monotonic(), 0, -1

    def lost(losses: list[Loss]) -> None:
        new = {loss.cpu: loss.lost for loss in losses}
        console.warn(f"{sum(new.values())} events lost ({_by_cpu(new)}), {source.lost} until now")
        console.write(form.lost(losses))
        if recorder is not None:
            recorder.lost(losses)

    def turn() -> None:
        nonlocal turned
        turned = shown
        prepare(())
        (console.page if interval and form.repeated else console.write)(form.turn())

    def status() -> None:
        said = {"events": shown, "lost": source.lost, **counts()}
        words = ", ".join(f"{count} {name}" for name, count in said.items())
        console.status(f"{_clock(time.monotonic() - begun)}  {words}")

    every = [*also, *([(interval, turn)] if interval else [])]
    every += [(_LOOK, status)] if console.live else []
    # Of events that are left out none is counted.
    most = None if view.filters else args.max_events
    ends = {"timeout": args.timeout, "most": most, "wake": wake, "lost": lost, "every": tuple(every)}
    console.write(form.header)
    for batch in source.batches(**ends):
        prepare(batch)
        if recorder is not None:
            recorder.batch(batch)
        kept = view.keep(batch)
        if args.max_events:
            kept = kept[: args.max_events - shown]
        shown += len(kept)
        console.write(form.lines(kept))
        if shown == args.max_events:
            break
    if shown != turned:  # the last page stays if nothing came since
        turn()
    summary = f"{shown} events shown"
    if source.shown != shown:
        summary += f" of {source.shown}"
    lost_by_cpu = source.lost_by_cpu
    summary += f", {sum(lost_by_cpu.values())} lost"
    if lost_by_cpu:
        summary += f" ({_by_cpu(lost_by_cpu)})"
        summary += ": a larger --buffer-size has more room" if "buffer_size" in args else ""
    console.say(summary)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest:02}"


def _by_cpu(counts: Mapping[int, int]) -> str:
    return ", ".join(f"CPU {cpu}: {count}" for cpu, count in counts.items())
