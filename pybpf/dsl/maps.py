"""Maps as a program declares them."""

from __future__ import annotations

from typing import Any

from pybpf.dsl.types import layout_of, u32
from pybpf.spec import Layout, MapSpec, Struct
from pybpf.uapi import bpf

__all__ = ["HEAP_SIZE", "LOST_OFFSET", "Events", "HashMap", "Map"]

# The value of the heap in which an event is put together, and the counter of lost events in its tail.
HEAP_SIZE = 10240
LOST_OFFSET = HEAP_SIZE - 8


class Map:
    """Base of all declared maps; `name` is the kernel's, at most 15 characters are shown there."""

    def __init__(self, name: str) -> None:
        self.name = name

    def specs(self, buffer: str) -> list[MapSpec]:
        """The maps to be made; `buffer` (`ringbuf`, `perf`) is how events are sent."""
        raise NotImplementedError


class HashMap(Map):
    """`BPF_MAP_TYPE_HASH` (Linux 3.19) of `key` to `value`: layouts, records or C declarations."""

    def __init__(self, name: str, key: Any, value: Any, max_entries: int) -> None:
        super().__init__(name)
        self.key: Layout = layout_of(key, {}, f"the key of {name}")
        self.value: Layout = layout_of(value, {}, f"the value of {name}")
        self.max_entries = max_entries

    def specs(self, buffer: str) -> list[MapSpec]:
        spec = MapSpec(
            self.name,
            bpf.BPF_MAP_TYPE_HASH,
            self.key.size,
            self.value.size,
            self.max_entries,
            key=self.key,
            value=self.value,
        )
        return [spec]


class Events(Map):
    """A stream of `record`s to user space: a ring buffer (Linux 5.8) or a perf buffer.

    `size` is the ring buffer's, in bytes. Events are put together in a per-CPU heap, `gadget_heap`, so that
    each can be sent at its true length. A send that fails is counted, per CPU, in the heap's last 8 bytes.
    """

    heap = "gadget_heap"

    def __init__(self, name: str, record: Any, size: int = 256 * 1024) -> None:
        super().__init__(name)
        layout = layout_of(record, {}, f"the record of {name}")
        assert isinstance(layout, Struct)
        self.layout = layout
        self.size = size

    def specs(self, buffer: str) -> list[MapSpec]:
        if buffer == "ringbuf":
            events = MapSpec(self.name, bpf.BPF_MAP_TYPE_RINGBUF, 0, 0, self.size, value=self.layout)
        else:
            events = MapSpec(
                self.name, bpf.BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, 0, key=u32, value=self.layout
            )
        heap = MapSpec(self.heap, bpf.BPF_MAP_TYPE_PERCPU_ARRAY, 4, HEAP_SIZE, 1, key=u32)
        return [events, heap]
