"""perf_event_open(2), its ioctls, and what sysfs says of the PMUs."""

from __future__ import annotations

import fcntl
import re
from typing import Any

from pybpf.errors import SyscallError
from pybpf.sys import explain, syscall
from pybpf.sys.fd import Fd
from pybpf.sys.files import read_text
from pybpf.uapi import perf_event

__all__ = ["ioctl", "open_event", "pmu_bit", "pmu_type"]

_DEVICES = "/sys/bus/event_source/devices"


def pmu_type(name: str) -> int | None:
    """The number of a PMU such as `kprobe` (4.17); None when this kernel hasn't got it."""
    text = read_text(f"{_DEVICES}/{name}/type")
    return int(text) if text else None


def pmu_bit(name: str, term: str) -> int:
    """The lowest bit of `config` that `term` stands for, such as `retprobe`."""
    found = re.match(r"config:(\d+)", read_text(f"{_DEVICES}/{name}/format/{term}"))
    return int(found.group(1)) if found else 0


def open_event(what: str, cpu: int, *, pid: int = -1, **fields: Any) -> Fd:
    """Open an event of every process, or of one, on a CPU (-1: on all), closed on exec.

    `fields` are perf_event_attr's; `config1`, where given, is a buffer to point to. Raises SyscallError.
    """
    ffi = syscall.ffi()
    attr = ffi.new("struct perf_event_attr *")
    attr.size = ffi.sizeof(attr[0])
    pointer = ffi.from_buffer(fields.pop("config1", b""))
    attr.config1 = pointer if len(pointer) else ffi.NULL
    for name, value in fields.items():
        setattr(attr, name, value)
    try:
        return Fd(syscall.perf_event_open(attr, pid, cpu, -1, perf_event.PERF_FLAG_FD_CLOEXEC), what)
    except SyscallError as error:
        raise explain.error("perf_event_open", error.errno or 0, ("CAP_PERFMON",)) from None


def ioctl(event: Fd, request: str, argument: int = 0) -> None:
    """An ioctl of perf events by its name, such as `SET_BPF`."""
    try:
        fcntl.ioctl(event.fileno(), getattr(perf_event, f"PERF_EVENT_IOC_{request}"), argument)
    except OSError as error:
        call = f"ioctl(PERF_EVENT_IOC_{request})"
        raise explain.error(call, error.errno or 0, ("CAP_PERFMON",)) from None
