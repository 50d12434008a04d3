"""Ring buffers and perf buffers (kernel/bpf/ringbuf.c, kernel/events/ring_buffer.c)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from pybpf.errors import UsageError
from pybpf.spec import MapSpec, align_up
from pybpf.uapi.bpf import BPF_F_CURRENT_CPU, BPF_F_INDEX_MASK
from pybpf.vm.errors import Fault
from pybpf.vm.maps.base import Map
from pybpf.vm.memory import Region
from pybpf.vm.values import record

if TYPE_CHECKING:
    from pybpf.vm.machine import Machine

__all__ = ["EventMap", "PerfEventArray", "RingBuffer"]

_HEADER = 8  # bytes before each record, in both kinds of buffer
_PAGE = 4096


class EventMap(Map):
    """A map that events leave by. They stay in it, and it can run full, until a test takes them."""

    def __init__(self, machine: Machine, spec: MapSpec) -> None:
        super().__init__(machine, spec)
        self._records: list[bytes] = []

    def take(self) -> list[bytes]:
        """All events since the last call, in order of sending, as a reader of the kernel's has them."""
        taken, self._records = self._records, []
        self._emptied()
        return taken

    def records(self) -> list[dict[str, int | bytes]]:
        """The same, each decoded by the layout that the spec gives: the leaves by their dotted names."""
        layout = self.spec.value
        if layout is None:
            raise UsageError(f"map {self.name} has no layout of its events; take() gives their bytes")
        return [record(layout, data) for data in self.take()]

    def _emptied(self) -> None:
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self._records)


class RingBuffer(EventMap):
    """`max_entries` bytes for all CPUs."""

    def __init__(self, machine: Machine, spec: MapSpec) -> None:
        super().__init__(machine, spec)
        self._used = 0
        self._reserved: dict[int, Region] = {}

    def reserve(self, size: int) -> int:
        """The address of `size` bytes, not initialised, that will be a record; 0 when it is full."""
        needed = align_up(size + _HEADER, 8)
        if self._used + needed > self.spec.max_entries - 1:
            return 0
        self._used += needed
        name = f"a record of {self.name}"
        region = self.machine.memory.map(bytearray(size), name, valid=bytearray(size))
        self._reserved[region.address] = region
        return region.address

    def commit(self, address: int, *, discard: bool) -> None:
        """Send, or drop, what was reserved. All of what is sent must have been written."""
        region = self._reserved.pop(address, None)
        if region is None:
            raise Fault(f"{address:#x} is no record that was reserved in {self.name}")
        if not discard:
            self._records.append(self.machine.memory.read(address, len(region.data)))
        self.machine.memory.unmap(region)

    def send(self, data: bytes) -> int:
        """`bpf_ringbuf_output`: 0, or -EAGAIN when it is full."""
        needed = align_up(len(data) + _HEADER, 8)
        if self._used + needed > self.spec.max_entries - 1:
            return -errno.EAGAIN
        self._used += needed
        self._records.append(data)
        return 0

    def used(self) -> int:
        """Bytes that were not taken yet (BPF_RB_AVAIL_DATA)."""
        return self._used

    def unfinished(self) -> bool:
        """Is something reserved that was neither submitted nor discarded?"""
        return bool(self._reserved)

    def holds(self, address: int) -> bool:
        """Is `address` a reserved record of this ring?"""
        return address in self._reserved

    def _emptied(self) -> None:
        self._used = 0


class PerfEventArray(EventMap):
    """A buffer of `pages` pages for each CPU; `lost` counts what found it full."""

    pages = 64

    def __init__(self, machine: Machine, spec: MapSpec) -> None:
        super().__init__(machine, spec)
        self._used: dict[int, int] = {}
        self.lost = 0

    def send(self, data: bytes, flags: int) -> int:
        """`bpf_perf_event_output`: 0, -E2BIG for a CPU that isn't there, -ENOSPC when its buffer is full."""
        cpu = flags & BPF_F_INDEX_MASK
        if cpu == BPF_F_CURRENT_CPU:
            cpu = self.machine.cpu
        if flags & ~BPF_F_INDEX_MASK:
            return -errno.EINVAL
        if cpu >= min(self.machine.cpus, self.spec.max_entries or self.machine.cpus):
            return -errno.E2BIG
        if cpu != self.machine.cpu:
            return -errno.EOPNOTSUPP
        # The size that the record states, 4 bytes before the data, makes the whole a multiple of 8.
        padded = data.ljust(align_up(len(data) + 4, 8) - 4, b"\0")
        used = self._used.get(cpu, 0) + _HEADER + 4 + len(padded)
        if used > self.pages * _PAGE:
            self.lost += 1
            return -errno.ENOSPC
        self._used[cpu] = used
        self._records.append(padded)
        return 0

    def _emptied(self) -> None:
        self._used.clear()
