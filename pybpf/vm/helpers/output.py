"""Helpers that send: events, text, stack traces."""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING

from pybpf.uapi.bpf import (
    BPF_F_SKIP_FIELD_MASK,
    BPF_F_USER_STACK,
    BPF_RB_AVAIL_DATA,
    BPF_RB_RING_SIZE,
)
from pybpf.vm.errors import Fault
from pybpf.vm.helpers.format import formatted
from pybpf.vm.helpers.table import helper
from pybpf.vm.maps import PerfEventArray, RingBuffer, StackTrace

__all__ = [
    "bpf_get_stack",
    "bpf_get_stackid",
    "bpf_perf_event_output",
    "bpf_ringbuf_discard",
    "bpf_ringbuf_output",
    "bpf_ringbuf_query",
    "bpf_ringbuf_reserve",
    "bpf_ringbuf_submit",
    "bpf_snprintf",
    "bpf_trace_printk",
    "bpf_trace_vprintk",
    "ring_of",
]

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pybpf.vm.machine import Machine


@helper
def bpf_perf_event_output(machine: Machine, context: int, map: int, flags: int, data: int, size: int) -> int:
    return machine.map_at(map, PerfEventArray).send(machine.memory.read(data, size), flags)


@helper
def bpf_ringbuf_output(machine: Machine, map: int, data: int, size: int, flags: int) -> int:
    return machine.map_at(map, RingBuffer).send(machine.memory.read(data, size))


@helper
def bpf_ringbuf_reserve(machine: Machine, map: int, size: int, flags: int) -> int:
    return 0 if flags else machine.map_at(map, RingBuffer).reserve(size)


def ring_of(machine: Machine, data: int) -> RingBuffer:
    """The ring buffer that a record was reserved in."""
    for map in machine.maps.values():
        if isinstance(map, RingBuffer) and map.holds(data):
            return map
    raise Fault(f"{data:#x} is no record that was reserved in a ring buffer")


@helper
def bpf_ringbuf_submit(machine: Machine, data: int, flags: int) -> None:
    ring_of(machine, data).commit(data, discard=False)


@helper
def bpf_ringbuf_discard(machine: Machine, data: int, flags: int) -> None:
    ring_of(machine, data).commit(data, discard=True)


@helper
def bpf_ringbuf_query(machine: Machine, map: int, flags: int) -> int:
    ring = machine.map_at(map, RingBuffer)
    if flags == BPF_RB_AVAIL_DATA:
        return ring.used()
    return ring.spec.max_entries if flags == BPF_RB_RING_SIZE else 0


@helper
def bpf_trace_printk(
    machine: Machine, format: int, size: int, one: int | None, two: int | None, three: int | None
) -> int:
    text = formatted(machine, machine.memory.string(format, size), [one, two, three])
    machine.printed.append(text.decode(errors="replace"))
    return len(text)


def _numbers(machine: Machine, data: int, size: int) -> list[int]:
    return list(struct.unpack(f"<{size // 8}Q", machine.memory.read(data, size)))


@helper
def bpf_trace_vprintk(machine: Machine, format: int, size: int, data: int, data_size: int) -> int:
    text = formatted(machine, machine.memory.string(format, size), _numbers(machine, data, data_size))
    machine.printed.append(text.decode(errors="replace"))
    return len(text)


@helper
def bpf_snprintf(machine: Machine, to: int, size: int, format: int, data: int, data_size: int) -> int:
    """The length with its NUL that the whole text would have."""
    text = formatted(machine, machine.memory.string(format, 1 << 16), _numbers(machine, data, data_size))
    if size:
        machine.memory.write(to, text[: size - 1] + b"\0")
    return len(text) + 1


def _trace(machine: Machine, flags: int) -> Sequence[int]:
    return machine.user_stack if flags & BPF_F_USER_STACK else machine.kernel_stack


@helper
def bpf_get_stackid(machine: Machine, context: int, map: int, flags: int) -> int:
    return machine.map_at(map, StackTrace).identify(_trace(machine, flags), flags)


@helper
def bpf_get_stack(machine: Machine, context: int, to: int, size: int, flags: int) -> int:
    """The number of bytes written; the rest is zeroed."""
    if flags & ~(BPF_F_SKIP_FIELD_MASK | BPF_F_USER_STACK) or size % 8:
        return -errno.EINVAL
    trace = _trace(machine, flags)[flags & BPF_F_SKIP_FIELD_MASK :][: size // 8]
    machine.memory.write(to, struct.pack(f"<{len(trace)}Q", *trace).ljust(size, b"\0"))
    return len(trace) * 8
