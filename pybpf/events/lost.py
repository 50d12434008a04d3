"""How many events were lost.

A program counts the sends that failed in the last 8 bytes of its heap's value, a u64 a processor. That is the
count to believe, for both buffers: every record that a buffer had no room for made the helper fail
(-EAGAIN from bpf_ringbuf_output, -ENOSPC from bpf_perf_event_output since 5.1), so shown + counted = sent.
PERF_RECORD_LOST (`Reader.lost`) counts the same records again, and only when a later one found room: it
may lag behind, and must not be added.
"""

from __future__ import annotations

import struct

from pybpf.maps import Map

__all__ = ["lost_sends"]


def lost_sends(heap: Map) -> int:
    """The sum over all processors of the counter in the tail of the value (a per-CPU array of one)."""
    values = heap.lookup_per_cpu(bytes(heap.spec.key_size))
    return sum(struct.unpack("=Q", value[-8:])[0] for value in values)
