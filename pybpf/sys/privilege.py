"""What this process may do, and what the system forbids it."""

from __future__ import annotations

import os
from typing import NamedTuple

from pybpf.sys import memlock
from pybpf.sys.files import read_text
from pybpf.uapi import capability

__all__ = ["Privilege", "privilege"]


class Privilege(NamedTuple):
    """What decides whether a kernel lets a process use BPF.

    `capabilities` are the effective ones; `known` all that this kernel has; `lockdown` is the mode (`none`,
    `integrity`, `confidentiality`) or empty when it can't be read; a sysctl that isn't there is None;
    `memlock` is the limit of locked memory in bytes, None when there is none.
    """

    capabilities: frozenset[str]
    known: frozenset[str]
    root: bool = False
    initial_user_namespace: bool = True
    seccomp: bool = False
    lockdown: str = ""
    unprivileged_bpf_disabled: int | None = None
    perf_event_paranoid: int | None = None
    kptr_restrict: int | None = None
    memlock: int | None = None


def _number(path: str) -> int | None:
    text = read_text(path)
    return int(text) if text else None


def _capabilities() -> dict[int, str]:
    names = {name: value for name, value in vars(capability).items() if name.startswith("CAP_")}
    last = _number("/proc/sys/kernel/cap_last_cap")
    return {
        value: name
        for name, value in names.items()
        if name != "CAP_LAST_CAP" and (last is None or value <= last)
    }


def _lockdown() -> str:
    text = read_text("/sys/kernel/security/lockdown")  # such as "none [integrity] confidentiality"
    return text.partition("[")[2].partition("]")[0]


def privilege() -> Privilege:
    """Read it from /proc and /sys; never fails."""
    lines = read_text("/proc/self/status").splitlines()
    status = {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
    effective = int(status.get("CapEff", "0"), 16)
    names = _capabilities()
    return Privilege(
        capabilities=frozenset(name for number, name in names.items() if effective >> number & 1),
        known=frozenset(names.values()),
        root=os.geteuid() == 0,
        initial_user_namespace=read_text("/proc/self/uid_map").split() in ([], ["0", "0", "4294967295"]),
        seccomp=status.get("Seccomp", "0") != "0",
        lockdown=_lockdown(),
        unprivileged_bpf_disabled=_number("/proc/sys/kernel/unprivileged_bpf_disabled"),
        perf_event_paranoid=_number("/proc/sys/kernel/perf_event_paranoid"),
        kptr_restrict=_number("/proc/sys/kernel/kptr_restrict"),
        memlock=memlock.limit(),
    )
