"""Hash maps: plain, least recently used, and per CPU (kernel/bpf/hashtab.c)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pybpf.spec import MapSpec
from pybpf.uapi.bpf import BPF_EXIST, BPF_F_LOCK, BPF_NOEXIST
from pybpf.vm.maps.base import E2BIG, EEXIST, EINVAL, ENOENT, Map
from pybpf.vm.memory import Region

if TYPE_CHECKING:
    from pybpf.vm.machine import Machine

__all__ = ["HashMap", "LruHashMap", "LruPerCpuHashMap", "PerCpuHashMap"]


class HashMap(Map):
    """An update puts a new value in the place of the old one, to which a pointer may still be held."""

    def __init__(self, machine: Machine, spec: MapSpec) -> None:
        super().__init__(machine, spec)
        self.elements: dict[bytes, list[Region]] = {}

    def cells(self, key: bytes) -> list[Region]:
        return self.elements.get(key, [])

    def keys(self) -> Iterator[bytes]:
        return iter(self.elements)

    def put(self, key: bytes, value: bytes, flags: int = 0) -> int:
        old = self.elements.get(key)
        flags &= ~BPF_F_LOCK
        if flags > BPF_EXIST:
            return -EINVAL
        if old and flags == BPF_NOEXIST:
            return -EEXIST
        if not old and flags == BPF_EXIST:
            return -ENOENT
        if not old and len(self.elements) >= self.spec.max_entries and not self.make_room():
            return -E2BIG
        if old and self.per_cpu:
            old[self.machine.cpu].data[:] = value
            return 0
        cells = self.new_cells()
        cells[self.machine.cpu if self.per_cpu else 0].data[:] = value
        self.elements[key] = cells
        self.machine.retire(old or [])
        return 0

    def remove(self, key: bytes) -> int:
        if key not in self.elements:
            return -ENOENT
        self.machine.retire(self.elements.pop(key))
        return 0

    def make_room(self) -> bool:
        """Drop an element when the map is full, if its type does that."""
        return False


class LruHashMap(HashMap):
    """Drops what was not looked up or updated for the longest time; the kernel's order is coarser."""

    def address_of(self, key: bytes) -> int:
        if key in self.elements:
            self.elements[key] = self.elements.pop(key)
        return super().address_of(key)

    def make_room(self) -> bool:
        return self.remove(next(iter(self.elements))) == 0


class PerCpuHashMap(HashMap):
    per_cpu = True


class LruPerCpuHashMap(LruHashMap):
    per_cpu = True
