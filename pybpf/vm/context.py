"""What r1 points to when a program starts, by the way it is attached."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pybpf.errors import UsageError
from pybpf.spec import ARCHITECTURES
from pybpf.vm.errors import Fault
from pybpf.vm.memory import Region

if TYPE_CHECKING:
    from pybpf.vm.machine import Machine

__all__ = ["DIRECT", "of_call", "of_packet", "packet_load"]

# Programs that follow the kernel's pointers by plain loads: one that faults gives 0 (BPF_PROBE_MEM, 5.5).
DIRECT = {"fentry", "fexit", "fmod_ret", "lsm", "tp_btf"}
# Programs whose context is the traced function's arguments, one u64 each, and then its result.
_ARGUMENT_ARRAYS = {*DIRECT, "raw_tracepoint"}

# Negative offsets of legacy packet access (SKF_LL_OFF, SKF_NET_OFF), and the Ethernet header between the two.
_LINK, _NETWORK, _ETHERNET = -0x20_0000, -0x10_0000, 14


def of_call(machine: Machine, kind: str, arguments: Sequence[int], result: int) -> Region:
    """The context of a probe on a function that is called like this, or returns."""
    if kind in _ARGUMENT_ARRAYS:
        numbers = [*arguments, result] if kind in ("fexit", "fmod_ret") else arguments
        data = struct.pack(f"<{len(numbers)}Q", *numbers)
        return machine.memory.map(bytearray(data), "the arguments", writable=False)
    arch = ARCHITECTURES["x86_64"]
    if len(arguments) > len(arch.arguments):
        raise UsageError(f"{len(arguments)} arguments: only {len(arch.arguments)} are in registers")
    registers = dict(zip(arch.arguments, arguments))
    registers[arch.result] = result
    region = machine.kernel.new("struct pt_regs", **registers).region
    machine.memory.protect(region)
    return region


def packet_load(packet: bytearray | None, offset: int, size: int) -> int | None:
    """The big-endian number at `offset` of the packet; None when it is too short."""
    if packet is None:
        raise Fault("packet access, but this program was not given a packet")
    if offset >= 1 << 31:  # an offset is signed, and may be the sum of a register and an immediate
        offset -= 1 << 32
    if _NETWORK <= offset < 0:
        offset += _ETHERNET - _NETWORK
    elif _LINK <= offset < _NETWORK:
        offset -= _LINK
    data = packet[offset : offset + size] if offset >= 0 else b""
    return int.from_bytes(data, "big") if len(data) == size else None


class _PacketContext:
    """`struct __sk_buff` or `struct xdp_md`: plain memory, but 32-bit pointers are loaded as 64 bits."""

    def __init__(self, data: bytearray, pointers: dict[int, int]) -> None:
        self._data = data
        self._pointers = pointers

    def load(self, offset: int, size: int) -> int:
        if size == 4 and offset in self._pointers:
            return self._pointers[offset]
        self._check(offset, size)
        return int.from_bytes(self._data[offset : offset + size], "little")

    def store(self, offset: int, size: int, value: int) -> None:
        self._check(offset, size)
        self._data[offset : offset + size] = value.to_bytes(size, "little")

    def _check(self, offset: int, size: int) -> None:
        for pointer in self._pointers:
            if pointer < offset + size and offset < pointer + 4:
                raise Fault(f"{size} bytes at offset {offset} of the context: a pointer is there")
        if offset + size > len(self._data):
            raise Fault(f"{size} bytes at offset {offset}: the context has {len(self._data)}")


def of_packet(machine: Machine, packet: bytes, *, xdp: bool) -> tuple[Region, Region]:
    """The context for `packet`, and the packet itself."""
    put = machine.memory.map(bytearray(packet), "the packet")
    start = put.address
    end = start + len(packet)
    if xdp:
        data, pointers = bytearray(24), {0: start, 4: end, 8: start}
    else:
        data, pointers = bytearray(192), {76: start, 80: end, 140: start}
        data[0:4] = len(packet).to_bytes(4, "little")
        data[16:20] = packet[12:14].ljust(4, b"\0")  # protocol, in network byte order
    return machine.memory.map(data, "the context", fields=_PacketContext(data, pointers)), put
