"""Processes and their mount namespaces, as /proc shows them."""

from __future__ import annotations

import os
from collections.abc import Iterator

from pybpf.sys.files import read_bytes

__all__ = ["cgroups", "host", "mount_namespace", "pids", "start_time"]


def pids() -> Iterator[int]:
    """The processes (thread groups) that there are now."""
    return (int(name) for name in os.listdir("/proc") if name.isdecimal())


def mount_namespace(pid: int) -> int:
    """The inode number of a process's mount namespace: what `gadget_mntns_filter_map` has for keys.

    0 when the process is gone. Raises PermissionError for others' processes without CAP_SYS_PTRACE (proc(5)).
    """
    try:
        return os.stat(f"/proc/{pid}/ns/mnt").st_ino
    except (FileNotFoundError, ProcessLookupError):
        return 0


def host() -> tuple[int, str]:
    """The mount namespace of this host, and what to put before a path of its: nothing, if it's ours too.

    It's that of process 1, if we may see it; else ours is taken for it.
    """
    own = mount_namespace(os.getpid())
    try:
        first = mount_namespace(1) or own
    except PermissionError:
        first = own
    return first, "" if first == own else "/proc/1/root"


def cgroups(pid: int) -> list[str]:
    """The paths of the control groups that a process is in: of version 2 one, of version 1 one a hierarchy.

    None when the process is gone. A line of /proc/PID/cgroup is `ID:CONTROLLERS:PATH` (cgroups(7)).
    """
    text = os.fsdecode(read_bytes(f"/proc/{pid}/cgroup"))
    return [line.split(":", 2)[-1] for line in text.split("\n") if line.count(":") >= 2]


def start_time(pid: int) -> int:
    """When a process started, in clock ticks since boot, as /proc/PID/stat has it; 0 when it's gone."""
    # The second field, in parentheses, can hold anything.
    fields = read_bytes(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return int(fields[19]) if len(fields) > 19 else 0
