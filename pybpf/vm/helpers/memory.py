"""Helpers that read memory which may not be there, and those for text."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from pybpf.vm.helpers.table import helper

__all__ = [
    "bpf_copy_from_user",
    "bpf_probe_read",
    "bpf_probe_read_kernel",
    "bpf_probe_read_kernel_str",
    "bpf_probe_read_str",
    "bpf_probe_read_user",
    "bpf_probe_read_user_str",
    "bpf_strncmp",
    "bpf_strtol",
    "bpf_strtoul",
]

if TYPE_CHECKING:
    from pybpf.vm.machine import Machine

_FAULT = -errno.EFAULT


def _read(machine: Machine, to: int, size: int, source: int, *, user: bool) -> int:
    """Copy; where nothing is mapped, zeros and -EFAULT. Past the end of an object it is a Fault: no kernel
    promises what is there."""
    size &= 0xFFFF_FFFF
    present = machine.memory.is_mapped(source, user)
    machine.memory.write(to, machine.memory.read(source, size, user=user) if present else bytes(size))
    return 0 if present else _FAULT


def _read_str(machine: Machine, to: int, size: int, source: int, *, user: bool) -> int:
    """Copy up to and with the NUL; the number of bytes, or zeros and -EFAULT. A cut text ends in NUL too."""
    size &= 0xFFFF_FFFF
    if not size:
        return 0
    if not machine.memory.is_mapped(source, user):
        machine.memory.write(to, bytes(size))
        return _FAULT
    text = machine.memory.string(source, size, user=user)[: size - 1] + b"\0"
    machine.memory.write(to, text)
    return len(text)


@helper
def bpf_probe_read_kernel(machine: Machine, to: int, size: int, source: int) -> int:
    return _read(machine, to, size, source, user=False)


@helper
def bpf_probe_read_user(machine: Machine, to: int, size: int, source: int) -> int:
    return _read(machine, to, size, source, user=True)


@helper
def bpf_probe_read(machine: Machine, to: int, size: int, source: int) -> int:
    return _read(machine, to, size, source, user=machine.memory.is_mapped(source, True))


@helper
def bpf_copy_from_user(machine: Machine, to: int, size: int, source: int) -> int:
    return _read(machine, to, size, source, user=True)


@helper
def bpf_probe_read_kernel_str(machine: Machine, to: int, size: int, source: int) -> int:
    return _read_str(machine, to, size, source, user=False)


@helper
def bpf_probe_read_user_str(machine: Machine, to: int, size: int, source: int) -> int:
    return _read_str(machine, to, size, source, user=True)


@helper
def bpf_probe_read_str(machine: Machine, to: int, size: int, source: int) -> int:
    return _read_str(machine, to, size, source, user=machine.memory.is_mapped(source, True))


@helper
def bpf_strncmp(machine: Machine, left: int, size: int, right: int) -> int:
    one = machine.memory.string(left, size)
    other = machine.memory.string(right, size)
    return (one > other) - (one < other)


def _number(machine: Machine, text: int, size: int, flags: int, result: int, *, signed: bool) -> int:
    if flags not in (0, 8, 10, 16):
        return -errno.EINVAL
    data = machine.memory.string(text, size).decode("latin-1")
    body = data.lstrip(" \t\n\r\v\f")
    skipped = len(data) - len(body)
    sign = 1 if body[:1] == "-" else 0
    if sign and not signed:
        return -errno.EINVAL
    base = flags
    rest = body[sign:].lower()
    prefix = 2 if rest.startswith("0x") and base in (0, 16) else 0
    if not base:
        base = 16 if prefix else 8 if rest.startswith("0") else 10
    allowed = "0123456789abcdef"[:base]
    digits = 0
    while digits < len(rest) - prefix and rest[prefix + digits] in allowed:
        digits += 1
    if not digits:
        return -errno.EINVAL
    number = int(rest[prefix : prefix + digits], base) * (-1 if sign else 1)
    if not (-(1 << 63) <= number < 1 << 63 if signed else number < 1 << 64):
        return -errno.ERANGE
    machine.memory.store(result, 8, number & (1 << 64) - 1)
    return skipped + sign + prefix + digits


@helper
def bpf_strtol(machine: Machine, text: int, size: int, flags: int, result: int) -> int:
    return _number(machine, text, size, flags, result, signed=True)


@helper
def bpf_strtoul(machine: Machine, text: int, size: int, flags: int, result: int) -> int:
    return _number(machine, text, size, flags, result, signed=False)
