"""How many events were lost.

A program counts the sends that failed in the last 8 bytes of its heap's value, a u64 a processor. That is the
count to believe, for both buffers: every record that a buffer had no room for made the helper fail
(-EAGAIN from bpf_ringbuf_output, -ENOSPC from bpf_perf_event_output since 5.1), so shown + counted = sent.
PERF_RECORD_LOST (`Reader.lost`) counts the same records again, and only when a later one found room: it
may lag behind, and must not be added.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from pybpf.maps import Map

__all__ = ["Loss", "Losses", "lost_sends"]


class Loss(NamedTuple):
    """Events of one processor that were lost since the last look; `position` counts those shown before."""

    cpu: int
    lost: int
    total: int
    position: int


class Losses:
    """Watches the counters of a heap."""

    def __init__(self, heap: Map) -> None:
        self._heap = heap
        self._known: tuple[int, ...] = ()

    def new(self, position: int) -> list[Loss]:
        """What was lost since the last call, a Loss for each processor that lost some."""
        known, self._known = self._known, lost_by_cpu(self._heap)
        counts = enumerate(zip(known or [0] * len(self._known), self._known))
        return [Loss(cpu, now - before, now, position) for cpu, (before, now) in counts if now != before]


def lost_by_cpu(heap: Map) -> tuple[int, ...]:
    """The counter in the tail of the value (a per-CPU array of one) of each possible processor."""
    values = heap.lookup_per_cpu(bytes(heap.spec.key_size))
    return tuple(struct.unpack("=Q", value[-8:])[0] for value in values)


def lost_sends(heap: Map) -> int:
    """The sum of these."""
    return sum(lost_by_cpu(heap))
