"""Arrays: plain and per CPU (kernel/bpf/arraymap.c)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pybpf.spec import MapSpec
from pybpf.uapi.bpf import BPF_EXIST, BPF_F_LOCK, BPF_F_RDONLY_PROG, BPF_NOEXIST
from pybpf.vm.maps.base import E2BIG, EEXIST, EINVAL, Map
from pybpf.vm.memory import Region

if TYPE_CHECKING:
    from pybpf.vm.machine import Machine

__all__ = ["ArrayMap", "PerCpuArrayMap"]


class ArrayMap(Map):
    """All elements are there from the start, zeroed; a value's address never changes."""

    def __init__(self, machine: Machine, spec: MapSpec) -> None:
        super().__init__(machine, spec)
        self._elements: dict[int, list[Region]] = {}
        if spec.data is not None:
            for cell in self.cells(bytes(4)):
                cell.data[: len(spec.data)] = spec.data

    def cells(self, key: bytes) -> list[Region]:
        index = int.from_bytes(key, "little")
        if index >= self.spec.max_entries:
            return []
        cells = self._elements.get(index)
        if cells is None:
            cells = self._elements[index] = self.new_cells()
        return cells

    def new_cells(self) -> list[Region]:
        if not self.spec.flags & BPF_F_RDONLY_PROG:
            return super().new_cells()
        memory, size = self.machine.memory, self.spec.value_size
        return [memory.map(bytearray(size), f"a value of {self.name}", writable=False)]

    def keys(self) -> Iterator[bytes]:
        return (index.to_bytes(4, "little") for index in range(self.spec.max_entries))

    def put(self, key: bytes, value: bytes, flags: int = 0) -> int:
        flags &= ~BPF_F_LOCK
        if flags > BPF_EXIST:
            return -EINVAL
        cells = self.cells(key)
        if not cells:
            return -E2BIG
        if flags == BPF_NOEXIST:
            return -EEXIST
        cells[self.machine.cpu if self.per_cpu else 0].data[:] = value
        return 0

    def remove(self, key: bytes) -> int:
        return -EINVAL


class PerCpuArrayMap(ArrayMap):
    per_cpu = True
