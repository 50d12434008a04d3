"""Timers in the values of maps (kernel/bpf/helpers.c, 5.15).

A timer is 16 bytes, of which the first 8 are its number here, from 1 on; 0 before `bpf_timer_init`. An
update of its element leaves none behind, as in the kernel.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from pybpf.vm.helpers.table import helper
from pybpf.vm.maps import Map
from pybpf.vm.timers import Timer

__all__ = ["bpf_timer_cancel", "bpf_timer_init", "bpf_timer_set_callback", "bpf_timer_start"]

if TYPE_CHECKING:
    from pybpf.vm.machine import Machine

_CLOCKS = (0, 1, 7)  # CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME
_ABSOLUTE, _PINNED = 1, 2  # BPF_F_TIMER_ABS (6.2), BPF_F_TIMER_CPU_PIN (6.7)


@helper
def bpf_timer_init(machine: Machine, timer: int, map: int, flags: int) -> int:
    if flags not in _CLOCKS:
        return -errno.EINVAL
    if machine.timers.at(timer) is not None:
        return -errno.EBUSY
    machine.timers.add(Timer(machine.map_at(map, Map), timer))
    return 0


@helper
def bpf_timer_set_callback(machine: Machine, timer: int, callback: int) -> int:
    found = machine.timers.at(timer)
    if found is None:
        return -errno.EINVAL
    found.callback = machine.callback(callback)
    return 0


@helper
def bpf_timer_start(machine: Machine, timer: int, nanoseconds: int, flags: int) -> int:
    found = machine.timers.at(timer)
    if found is None or found.callback is None or flags & ~(_ABSOLUTE | _PINNED):
        return -errno.EINVAL
    found.due = nanoseconds if flags & _ABSOLUTE else machine.time_ns + nanoseconds
    return 0


@helper
def bpf_timer_cancel(machine: Machine, timer: int) -> int:
    """1 when it was running, else 0."""
    found = machine.timers.at(timer)
    if found is None:
        return -errno.EINVAL
    running, found.due = found.due is not None, None
    return int(running)
