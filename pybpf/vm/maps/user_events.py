"""Ring buffers that user space fills (kernel/bpf/ringbuf.c, 6.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybpf.errors import UsageError
from pybpf.spec import MapSpec, align_up
from pybpf.vm.maps.base import Map
from pybpf.vm.values import Value, encode

if TYPE_CHECKING:
    from pybpf.vm.machine import Machine

__all__ = ["UserRingBuffer"]

_HEADER = 8


class UserRingBuffer(Map):
    """`records` are those that no program has taken yet; a test adds to them by `push`."""

    def __init__(self, machine: Machine, spec: MapSpec) -> None:
        super().__init__(machine, spec)
        self.records: list[bytes] = []

    def push(self, value: Value) -> None:
        """Hand over a record: bytes, or a value by the spec's layout. Raises UsageError when it's full."""
        layout = self.spec.value
        data = value if isinstance(value, bytes) else encode(layout, value, layout.size if layout else 0)
        used = sum(align_up(len(each), 8) + _HEADER for each in [*self.records, data])
        if used > self.spec.max_entries:
            raise UsageError(f"map {self.name} is full ({self.spec.max_entries} bytes)")
        self.records.append(data)

    def __len__(self) -> int:
        return len(self.records)
