"""Helpers for packets."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from pybpf.vm.errors import Fault
from pybpf.vm.helpers.table import helper

__all__ = ["bpf_skb_load_bytes", "bpf_skb_pull_data", "bpf_skb_store_bytes"]

if TYPE_CHECKING:
    from pybpf.vm.machine import Machine


def _packet(machine: Machine) -> bytearray:
    if machine.packet is None:
        raise Fault("this program was not given a packet")
    return machine.packet


@helper
def bpf_skb_load_bytes(machine: Machine, context: int, offset: int, to: int, size: int) -> int:
    """0, or zeros and -EFAULT where the packet is too short."""
    offset, size = offset & 0xFFFF_FFFF, size & 0xFFFF_FFFF
    data = bytes(_packet(machine)[offset : offset + size])
    machine.memory.write(to, data if len(data) == size else bytes(size))
    return 0 if len(data) == size else -errno.EFAULT


@helper
def bpf_skb_store_bytes(
    machine: Machine, context: int, offset: int, source: int, size: int, flags: int
) -> int:
    offset, size = offset & 0xFFFF_FFFF, size & 0xFFFF_FFFF
    packet, data = _packet(machine), machine.memory.read(source, size)
    if offset + size > len(packet):
        return -errno.EFAULT
    packet[offset : offset + size] = data
    return 0


@helper
def bpf_skb_pull_data(machine: Machine, context: int, size: int) -> int:
    return 0 if size & 0xFFFF_FFFF <= len(_packet(machine)) else -errno.ENOMEM
