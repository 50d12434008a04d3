"""Helpers that do something to others: what they did, a test finds in the machine."""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING

from pybpf.vm.helpers.format import formatted
from pybpf.vm.helpers.table import helper

__all__ = [
    "bpf_probe_write_user",
    "bpf_send_signal",
    "bpf_send_signal_thread",
    "bpf_seq_printf",
    "bpf_seq_write",
]

if TYPE_CHECKING:
    from pybpf.vm.machine import Machine

_SIGNALS = 64  # _NSIG


@helper
def bpf_probe_write_user(machine: Machine, to: int, source: int, size: int) -> int:
    if not machine.memory.is_mapped(to, user=True):
        return -errno.EPERM
    machine.memory.write(to, machine.memory.read(source, size & 0xFFFF_FFFF), user=True)
    return 0


def _signal(machine: Machine, number: int, to: int) -> int:
    number &= 0xFFFF_FFFF
    if number > _SIGNALS:
        return -errno.EINVAL
    machine.signals.append((to, number))
    return 0


@helper
def bpf_send_signal(machine: Machine, number: int) -> int:
    return _signal(machine, number, machine.task.pid)


@helper
def bpf_send_signal_thread(machine: Machine, number: int) -> int:
    return _signal(machine, number, machine.task.tid)


@helper
def bpf_seq_write(machine: Machine, seq: int, data: int, size: int) -> int:
    machine.written += machine.memory.read(data, size)
    return 0


@helper
def bpf_seq_printf(machine: Machine, seq: int, format: int, size: int, data: int, data_size: int) -> int:
    values = struct.unpack(f"<{data_size // 8}Q", machine.memory.read(data, data_size))
    machine.written += formatted(machine, machine.memory.string(format, size), values)
    return 0
