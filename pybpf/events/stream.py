"""The events of one buffer, as they come: in batches, one by one, awaited, or by a callback."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any, NamedTuple

from pybpf.events.decode import Decoder
from pybpf.events.event import Event, event_class
from pybpf.events.lost import Loss, Losses, lost_by_cpu
from pybpf.events.reader import Reader
from pybpf.events.records import Records
from pybpf.events.timers import Chores, Timers
from pybpf.events.turns import Turns
from pybpf.maps import Map
from pybpf.spec import Struct

__all__ = ["Ends", "Stream"]


class Ends(NamedTuple):
    """When reading ends: after `timeout` seconds, at `most` events, when the descriptor `wake` is readable.

    At the first and the last the sending is ended, and what is in the buffer by then still comes. `lost` is
    called with what was lost, at most once a second, and at the end: by then, unless `most` ended it, all
    that was sent is shown or told to be lost.
    """

    timeout: float | None = None
    most: int | None = None
    wake: int | None = None
    lost: Callable[[list[Loss]], object] | None = None
    every: Chores = ()


class Stream:
    """Reads a buffer of events of one layout. All ways of reading take the arguments of `Ends`, by name.

    `shown` counts the events handed out; `every` is called beside that of `Ends`. `heap` is the map that
    holds the counters of those that were lost.
    """

    def __init__(self, reader: Reader, layout: Struct, heap: Map) -> None:
        self.layout = layout
        self.shown = 0
        self.every: Chores = ()
        self._reader = reader
        self._heap = heap
        self._losses = Losses(heap)
        self._decode = Decoder(layout).decode_many
        self._event = event_class(layout)

    @property
    def lost(self) -> int:
        """How many events the buffer had no room for, until now."""
        return sum(lost_by_cpu(self._heap))

    @property
    def lost_by_cpu(self) -> dict[int, int]:
        """The same for each processor that lost some."""
        return {cpu: count for cpu, count in enumerate(lost_by_cpu(self._heap)) if count}

    def detach(self) -> None:
        """End the sending; events that were sent before can still be read."""

    def batches(self, **ends: Any) -> Iterator[list[tuple[Any, ...]]]:
        """Decoded events, some hundreds at a time: flat tuples of the layout's leaves (see Decoder)."""
        return self._read(self._decode, Ends(**ends))

    def arrays(self, **ends: Any) -> Iterator[Any]:
        """The same as structured arrays: `batch["pid"].max()`. BpfError where NumPy is missing."""
        from pybpf.events.arrays import arrays

        return self._read(arrays(self.layout), Ends(**ends))

    def events(self, **ends: Any) -> Iterator[Event]:
        """Each event as an object whose members are the layout's fields (see event_class)."""
        return itertools.chain.from_iterable(map(self._event, batch) for batch in self.batches(**ends))

    def __iter__(self) -> Iterator[Event]:
        return self.events()

    def for_each(self, callback: Callable[[Event], object], **ends: Any) -> None:
        """Call back with each event, until an end."""
        for event in self.events(**ends):
            callback(event)

    async def events_async(self, **ends: Any) -> AsyncIterator[Event]:
        """Each event, while others run in between: `async for event in stream`."""
        end = Ends(**ends)
        turns = Turns(self._reader, end.timeout, end.wake, Timers((*self.every, *end.every)))
        while not turns.ended:
            await turns.wait_async()
            for batch in self._turn(turns, self._decode, end):
                for event in map(self._event, batch):
                    yield event

    def __aiter__(self) -> AsyncIterator[Event]:
        return self.events_async()

    def _read(self, decode: Callable[[Iterable[Records]], Iterator[Any]], end: Ends) -> Iterator[Any]:
        turns = Turns(self._reader, end.timeout, end.wake, Timers((*self.every, *end.every)))
        while not turns.ended:
            turns.wait()
            yield from self._turn(turns, decode, end)

    def _turn(
        self, turns: Turns, decode: Callable[[Iterable[Records]], Iterator[Any]], end: Ends
    ) -> Iterator[Any]:
        """Batches of all that is there by now, and word of what was lost."""
        if turns.ended:
            self.detach()
        for batch in decode(turns.taken()):
            if end.most is not None and self.shown + len(batch) >= end.most:
                turns.ended = True
                batch = batch[: end.most - self.shown]
            self.shown += len(batch)
            yield batch
            if self.shown == end.most:
                break
        turns.timers.run()
        if turns.due() and end.lost is not None:
            losses = self._losses.new(self.shown)
            if losses:
                end.lost(losses)
