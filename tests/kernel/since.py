"""Which kernels may skip a test: those older than what it asks for, or built without it by Debian."""

from __future__ import annotations

import re

from pybpf.uapi import helpers

__all__ = ["since", "unexcused"]

# A kernel of this version has what a reason to skip names, where the reason doesn't say so itself, as in
# `no tcx (6.6)`. What a type of programs may call isn't told by the age of the helper.
SINCE = {
    "kprobe programs have no get_cgroup_classid": "6.14",
    "kprobe programs have no get_current_ancestor_cgroup_id": "6.1",
    "kprobe programs have no get_task_stack": "6.1",
    "kprobe programs have no strto": "6.1",
    "sched_cls programs have no get_netns_cookie": "6.14",
    "bpf_rcu_read_lock": "6.2",
    "bpf_task_from_pid": "6.2",
    "bpf_spin_lock": "6.1",  # beside helpers that are younger
    "bpf_d_path": "6.1",
    "number of subprogs": "5.13",  # callbacks
    "BTF has no variables": "5.11",
    "BLOOM_FILTER": "5.16",
    "CGRP_STORAGE": "6.2",
    "TASK_STORAGE": "5.11",
    "USER_RINGBUF": "6.1",
    "struct mptcp_sock": "5.19",
    "no fentry": "5.5",
    "no kprobes": "4.17",
    "no BTF": "5.4",
    "no loop devices": "2.6",
    **{f"no {name}": "2.6" for name in ("btrfs", "ext4", "fuse", "minix", "nfs", "nfsd", "xfs")},
    "no ntfs3": "5.15",
}

# The number of the first helper of each version (include/uapi/linux/bpf.h).
FIRST_HELPERS = {
    "5.11": 156,
    "5.12": 163,
    "5.13": 164,
    "5.14": 166,
    "5.15": 169,
    "5.16": 176,
    "5.17": 180,
    "5.18": 186,
    "5.19": 194,
    "6.0": 204,
    "6.1": 208,
    "6.2": 210,
}

# What some of Debian's kernels are built without.
WITHOUT = {"no ntfs3": r"5\.10|6\.1\.|7\.3", "no multi": r"6\.1\."}


def since(reason: str) -> str:
    """The first kernel that surely has what a reason to skip names; empty if nobody knows."""
    said = re.search(r"\((?:before |since Linux )?([0-9]+\.[0-9]+)\)|older than ([0-9]+\.[0-9]+)", reason)
    if said:
        return said[1] or said[2]
    known = next((version for what, version in SINCE.items() if what in reason), "")
    return known or _helper(reason)


def _helper(reason: str) -> str:
    named = re.search(r"(?:has|have) no (?:bpf_)?(\w+)|func unknown#([0-9]+)", reason)
    if not named:
        return ""
    number = int(named[2]) if named[2] else helpers.HELPERS.get(f"bpf_{named[1]}", 0)
    return next((version for version, first in reversed(FIRST_HELPERS.items()) if number >= first), "")


def unexcused(reason: str, release: str) -> str:
    """Why a kernel of this release should have run a test that was skipped for `reason`; empty if not."""
    version = since(reason)
    if not version or _number(release) < _number(version):
        return ""
    if any(what in reason and re.match(releases, release) for what, releases in WITHOUT.items()):
        return ""
    return f"Linux {release} should have it, as all have since {version}; yet: {reason}"


def _number(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split("-")[0].split(".")[:2]))
