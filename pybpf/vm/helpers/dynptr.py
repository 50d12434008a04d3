"""Helpers for dynptrs (kernel/bpf/helpers.c, ringbuf.c), and records from user space, which are handed out as
such.

A dynptr is 16 bytes: an address, a size with a bit for what can't be written, an offset. All 0 is none.
"""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING

from pybpf.uapi.bpf import BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP
from pybpf.vm.helpers.output import ring_of
from pybpf.vm.helpers.table import helper
from pybpf.vm.maps import RingBuffer, UserRingBuffer

__all__ = [
    "bpf_dynptr_data",
    "bpf_dynptr_from_mem",
    "bpf_dynptr_read",
    "bpf_dynptr_write",
    "bpf_ringbuf_discard_dynptr",
    "bpf_ringbuf_reserve_dynptr",
    "bpf_ringbuf_submit_dynptr",
    "bpf_user_ringbuf_drain",
]

if TYPE_CHECKING:
    from pybpf.vm.machine import Machine

_FORM = struct.Struct("<QII")
_READ_ONLY = 1 << 31
_MOST = (1 << 24) - 1  # DYNPTR_MAX_SIZE
_MOST_SAMPLES = 128 * 1024  # BPF_MAX_USER_RINGBUF_SAMPLES


def _set(machine: Machine, ptr: int, address: int, size: int, error: int = 0) -> int:
    """Make a dynptr of this memory; none when there was an error, which is the result."""
    machine.memory.write(ptr, _FORM.pack(0, 0, 0) if error else _FORM.pack(address, size, 0))
    return error


def _get(machine: Machine, ptr: int) -> tuple[int, int, bool]:
    """Address (0 for none), size, and whether it can't be written."""
    address, size, _ = _FORM.unpack(machine.memory.read(ptr, _FORM.size))
    return address, size & ~_READ_ONLY, bool(size & _READ_ONLY)


@helper
def bpf_dynptr_from_mem(machine: Machine, data: int, size: int, flags: int, ptr: int) -> int:
    error = -errno.E2BIG if size > _MOST else -errno.EINVAL if flags else 0
    return _set(machine, ptr, data, size, error)


@helper
def bpf_ringbuf_reserve_dynptr(machine: Machine, map: int, size: int, flags: int, ptr: int) -> int:
    size &= 0xFFFF_FFFF
    error = -errno.EINVAL if flags else -errno.E2BIG if size > _MOST else 0
    address = 0 if error else machine.map_at(map, RingBuffer).reserve(size)
    return _set(machine, ptr, address, size, error or (0 if address else -errno.EINVAL))


def _end(machine: Machine, ptr: int, *, discard: bool) -> None:
    address, _, _ = _get(machine, ptr)
    if address:
        ring_of(machine, address).commit(address, discard=discard)
        machine.memory.write(ptr, _FORM.pack(0, 0, 0))


@helper
def bpf_ringbuf_submit_dynptr(machine: Machine, ptr: int, flags: int) -> None:
    _end(machine, ptr, discard=False)


@helper
def bpf_ringbuf_discard_dynptr(machine: Machine, ptr: int, flags: int) -> None:
    _end(machine, ptr, discard=True)


def _part(machine: Machine, ptr: int, offset: int, size: int, flags: int) -> tuple[int, int]:
    """The address of a part of a dynptr's memory, or 0 and a negative error."""
    address, whole, _ = _get(machine, ptr)
    if not address or flags:
        return 0, -errno.EINVAL
    return (address + offset, 0) if offset + size <= whole else (0, -errno.E2BIG)


@helper
def bpf_dynptr_read(machine: Machine, to: int, size: int, ptr: int, offset: int, flags: int) -> int:
    address, error = _part(machine, ptr, offset, size, flags)
    if address:
        machine.memory.write(to, machine.memory.read(address, size))
    return error


@helper
def bpf_dynptr_write(machine: Machine, ptr: int, offset: int, source: int, size: int, flags: int) -> int:
    address, error = _part(machine, ptr, offset, size, flags)
    if _get(machine, ptr)[2]:
        return -errno.EINVAL
    if address:
        machine.memory.write(address, machine.memory.read(source, size))
    return error


@helper
def bpf_dynptr_data(machine: Machine, ptr: int, offset: int, size: int) -> int:
    return 0 if _get(machine, ptr)[2] else _part(machine, ptr, offset, size, 0)[0]


@helper
def bpf_user_ringbuf_drain(machine: Machine, map: int, callback: int, context: int, flags: int) -> int:
    """Calls `callback(dynptr, context)` for each record, until it returns 1; for how many it was called."""
    if flags & ~(BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP):
        return -errno.EINVAL
    found = machine.map_at(map, UserRingBuffer)
    count, stop = 0, 0
    while found.records and count < _MOST_SAMPLES and not stop:
        record = found.records.pop(0)
        data = machine.memory.map(bytearray(record), f"a record of {found.name}", writable=False)
        form = bytearray(_FORM.pack(data.address, len(record) | _READ_ONLY, 0))
        dynptr = machine.memory.map(form, "a dynptr", writable=False)
        stop = machine.call_back(callback, dynptr.address, context)
        machine.memory.unmap(data)
        machine.memory.unmap(dynptr)
        count += 1
    return count
