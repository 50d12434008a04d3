"""Arrays of instructions' addresses, for `gotox` (kernel/bpf/bpf_insn_array.c, 6.19)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from pybpf.spec import MapSpec
from pybpf.vm.code import CODE
from pybpf.vm.maps.base import E2BIG, Map
from pybpf.vm.memory import Region

if TYPE_CHECKING:
    from pybpf.vm.machine import Machine

__all__ = ["InstructionArray"]


class InstructionArray(Map):
    """A test sees `struct bpf_insn_array_value`, 16 bytes, of which the first u32 is the instruction (in
    units of 8 bytes); a program sees addresses of 8 bytes, one after another, in the map's value."""

    def __init__(self, machine: Machine, spec: MapSpec) -> None:
        super().__init__(machine, spec)
        data = bytearray(8 * spec.max_entries)
        self._table = machine.memory.map(data, f"the value of {spec.name}", writable=False)

    def cells(self, key: bytes) -> list[Region]:
        return [self._table]

    def put(self, key: bytes, value: bytes, flags: int = 0) -> int:
        index = int.from_bytes(key, "little")
        if index >= self.spec.max_entries:
            return -E2BIG
        struct.pack_into("<Q", self._table.data, index * 8, CODE + 8 * int.from_bytes(value[:4], "little"))
        return 0
