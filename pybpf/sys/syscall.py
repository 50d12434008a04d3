"""The system calls themselves: one function each, and nothing else in pybpf makes any.

The library is opened at the first call, so that everything can be imported on any machine.
"""

from __future__ import annotations

import functools
import os
from typing import Any

from pybpf.errors import SyscallError, UnsupportedFeature

__all__ = ["bpf", "capget", "capset", "ffi", "perf_event_open", "prctl"]

# Numbers of bpf(2) and perf_event_open(2), by machine (arch/*/kernel/syscalls/*.tbl of the kernel).
_NUMBERS = {
    "x86_64": (321, 298),
    "aarch64": (280, 241),
    "riscv64": (280, 241),
    "loongarch64": (280, 241),
    "s390x": (351, 331),
    "ppc64le": (361, 319),
}


@functools.cache
def ffi() -> Any:
    """The cffi object with the structs of tools/gen_ffi.py."""
    from pybpf.sys import _ffi

    return _ffi.ffi


@functools.cache
def _libc() -> Any:
    return ffi().dlopen(None)


@functools.cache
def _numbers() -> tuple[int, int]:
    machine = os.uname().machine
    if machine not in _NUMBERS:
        raise UnsupportedFeature(f"known number of bpf(2) on {machine}", why="add it to pybpf/sys/syscall.py")
    return _NUMBERS[machine]


def _checked(call: str, result: Any) -> int:
    if result < 0:
        raise SyscallError(call, ffi().errno)
    return int(result)


def _syscall(call: str, number: int, *arguments: Any) -> int:
    return _checked(call, _libc().syscall(number, *arguments))


def bpf(command: int, attr: Any, size: int) -> int:
    """bpf(2): the result, not negative; SyscallError otherwise."""
    cast = ffi().cast
    return _syscall(f"bpf({command})", _numbers()[0], cast("long", command), attr, cast("long", size))


def perf_event_open(attr: Any, pid: int, cpu: int, group: int, flags: int) -> int:
    """perf_event_open(2): a descriptor; SyscallError otherwise."""
    arguments = [ffi().cast("long", value) for value in (pid, cpu, group, flags)]
    return _syscall("perf_event_open", _numbers()[1], attr, *arguments)


# Of struct __user_cap_header_struct: _LINUX_CAPABILITY_VERSION_3 (2.6.26), with two structs of 32 bits each.
_CAPABILITIES = 0x20080522


def _header() -> Any:
    return ffi().new("uint32_t[2]", [_CAPABILITIES, 0])


def capget() -> tuple[int, int, int]:
    """capget(2) of this thread: its effective, permitted and inheritable capabilities as bits."""
    low, high = sets = ffi().new("struct capability_sets[2]")
    _checked("capget", _libc().capget(_header(), sets))
    return (
        low.effective | high.effective << 32,
        low.permitted | high.permitted << 32,
        low.inheritable | high.inheritable << 32,
    )


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """capset(2) of this thread; SyscallError (EPERM) for what it hasn't got."""
    words = [(bits & 0xFFFF_FFFF, bits >> 32) for bits in (effective, permitted, inheritable)]
    sets = ffi().new("struct capability_sets[2]", [list(each) for each in zip(*words)])
    _checked("capset", _libc().capset(_header(), sets))


def prctl(option: int, argument: int) -> int:
    """prctl(2) with one argument."""
    zero = ffi().cast("long", 0)
    return _checked(f"prctl({option})", _libc().prctl(option, ffi().cast("long", argument), zero, zero, zero))
