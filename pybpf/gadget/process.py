"""Who did it: the process of an event, as all gadgets show it."""

from __future__ import annotations

from pybpf.dsl import CString, Record, func, u32, u64
from pybpf.helpers import current
from pybpf.spec import Int

__all__ = ["Creds", "Parent", "Process", "Timestamp", "fill_process", "mount_namespace"]

# Nanoseconds since boot in the kernel; shown as wall-clock time.
Timestamp = Int("timestamp", 8, role="timestamp")
Uid = Int("uid", 4, role="uid")
Gid = Int("gid", 4, role="gid")
MountNamespace = Int("mntns", 8, role="mntns")


class Creds(Record):
    """Who a process runs as."""

    uid: Uid
    gid: Gid


class Parent(Record):
    """The process that a process was started by."""

    comm: CString[16]
    pid: u32
    tid: u32


class Process(Record):
    """A thread: `pid` is its thread group, `mntns_id` its mount namespace's inode number."""

    comm: CString[16]
    pid: u32
    tid: u32
    creds: Creds
    parent: Parent
    mntns_id: MountNamespace


@func
def mount_namespace(task):
    """The inode number of a task's mount namespace, as in /proc/PID/ns/mnt."""
    return u64(task.nsproxy.mnt_ns.ns.inum)


@func
def fill_process(process):
    """Describe the current task in an event."""
    process.comm = current.comm  # what takes calls comes first, so that nothing has to outlive them
    process.creds.uid = current.uid
    process.creds.gid = current.gid
    process.tid = current.tid
    process.pid = current.pid
    task = current.task
    parent = task.real_parent
    process.parent.comm = parent.comm
    process.parent.pid = u32(parent.tgid)
    process.parent.tid = u32(parent.pid)
    process.mntns_id = mount_namespace(task)
