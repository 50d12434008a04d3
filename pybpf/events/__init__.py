"""Events: out of the kernel's buffers, and decoded."""

from __future__ import annotations

from pybpf.errors import UsageError
from pybpf.events.decode import Decoder, text
from pybpf.events.event import Event, event_class
from pybpf.events.lost import Loss, lost_sends
from pybpf.events.perf_buffer import PerfBuffer
from pybpf.events.reader import Reader
from pybpf.events.ring_buffer import RingBuffer
from pybpf.events.stream import Ends, Stream
from pybpf.maps import Map
from pybpf.uapi import bpf

__all__ = [
    "Decoder",
    "Ends",
    "Event",
    "Loss",
    "PerfBuffer",
    "Reader",
    "RingBuffer",
    "Stream",
    "event_class",
    "lost_sends",
    "open_reader",
    "text",
]


def open_reader(map: Map, pages: int = 64) -> Reader:
    """A reader of a map that events are sent to, by its type; a perf buffer has `pages` a processor."""
    if map.spec.type == bpf.BPF_MAP_TYPE_RINGBUF:
        return RingBuffer(map)
    if map.spec.type == bpf.BPF_MAP_TYPE_PERF_EVENT_ARRAY:
        return PerfBuffer(map, pages)
    raise UsageError(f"map {map.name} is no buffer of events (its type is {map.spec.type})")
