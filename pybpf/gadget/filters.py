"""Whose events are wanted: filters that work in the kernel, before anything is stored or sent.

A filter that isn't set leaves no instruction behind.
"""

from __future__ import annotations

from pybpf.dsl import CString, HashMap, Param, func, u32, u64
from pybpf.gadget.gadget import FILTER_MAP
from pybpf.gadget.process import mount_namespace
from pybpf.helpers import current

__all__ = ["discard_current", "mntns_filter_map"]

# User and group 0 are root's, so "all" needs another number: the one that chown(2) keeps for "unchanged".
ALL = 0xFFFFFFFF

mntns_filter_map = HashMap(FILTER_MAP, u64, u32, max_entries=1024)

target_mntns = Param(
    "mntns",
    u32,
    0,
    "only the mount namespace with this inode number",
    metavar="ID",
    keeps="proc.mntns_id==",
)
target_pid = Param("pid", u32, 0, "only this process", keeps="proc.pid==")
target_tid = Param("tid", u32, 0, "only this thread", keeps="proc.tid==")
target_uid = Param("uid", u32, ALL, "only processes of this user", keeps="proc.creds.uid==")
target_gid = Param("gid", u32, ALL, "only processes of this group", keeps="proc.creds.gid==")
target_comm = Param(
    "comm", CString[16], b"", "only threads of exactly this name", metavar="NAME", keeps="proc.comm=="
)


@func
def discard_current():
    """Whether a filter leaves the current task out."""
    if target_mntns and mount_namespace(current.task) not in mntns_filter_map:
        return True
    if target_pid and current.pid != target_pid:
        return True
    if target_tid and current.tid != target_tid:
        return True
    if target_uid != ALL and current.uid != target_uid:
        return True
    if target_gid != ALL and current.gid != target_gid:
        return True
    return target_comm and current.comm != target_comm
