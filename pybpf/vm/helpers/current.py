"""Helpers for what the program runs in: task, CPU, time, chance."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from pybpf.vm.helpers.table import helper
from pybpf.vm.maps import CgroupArray

__all__ = [
    "bpf_current_task_under_cgroup",
    "bpf_get_attach_cookie",
    "bpf_get_current_cgroup_id",
    "bpf_get_current_comm",
    "bpf_get_current_pid_tgid",
    "bpf_get_current_task",
    "bpf_get_current_task_btf",
    "bpf_get_current_uid_gid",
    "bpf_get_func_ip",
    "bpf_get_numa_node_id",
    "bpf_get_prandom_u32",
    "bpf_get_smp_processor_id",
    "bpf_jiffies64",
    "bpf_ktime_get_boot_ns",
    "bpf_ktime_get_coarse_ns",
    "bpf_ktime_get_ns",
    "bpf_ktime_get_tai_ns",
]

if TYPE_CHECKING:
    from pybpf.vm.machine import Machine


@helper
def bpf_get_current_pid_tgid(machine: Machine) -> int:
    return machine.task.pid << 32 | machine.task.tid


@helper
def bpf_get_current_uid_gid(machine: Machine) -> int:
    return machine.task.gid << 32 | machine.task.uid


@helper
def bpf_get_current_comm(machine: Machine, to: int, size: int) -> int:
    size &= 0xFFFF_FFFF
    if not size:
        return -errno.EINVAL
    machine.memory.write(to, machine.task.comm.encode()[: min(size, 16) - 1].ljust(size, b"\0"))
    return 0


@helper
def bpf_get_current_task(machine: Machine) -> int:
    return machine.task.struct(machine.kernel).address


@helper
def bpf_get_current_task_btf(machine: Machine) -> int:
    return machine.task.struct(machine.kernel).address


@helper
def bpf_get_current_cgroup_id(machine: Machine) -> int:
    return machine.task.cgroup


@helper
def bpf_current_task_under_cgroup(machine: Machine, map: int, index: int) -> int:
    cgroup = machine.map_at(map, CgroupArray).referred(index.to_bytes(8, "little")[:4])
    return -errno.EAGAIN if cgroup is None else int(cgroup == machine.task.cgroup)


@helper
def bpf_get_smp_processor_id(machine: Machine) -> int:
    return machine.cpu


@helper
def bpf_get_numa_node_id(machine: Machine) -> int:
    return 0


@helper
def bpf_get_prandom_u32(machine: Machine) -> int:
    return machine.random.getrandbits(32)


@helper
def bpf_ktime_get_ns(machine: Machine) -> int:
    return machine.time_ns


@helper
def bpf_ktime_get_boot_ns(machine: Machine) -> int:
    return machine.time_ns + machine.suspended_ns


@helper
def bpf_ktime_get_coarse_ns(machine: Machine) -> int:
    return machine.time_ns


@helper
def bpf_ktime_get_tai_ns(machine: Machine) -> int:
    return machine.wall_ns


@helper
def bpf_jiffies64(machine: Machine) -> int:
    return machine.time_ns // 4_000_000


@helper
def bpf_get_attach_cookie(machine: Machine, context: int) -> int:
    return machine.cookie


@helper
def bpf_get_func_ip(machine: Machine, context: int) -> int:
    return machine.function_ip
