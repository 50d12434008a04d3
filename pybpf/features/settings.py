"""What this process may do, and the settings that allow or forbid it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pybpf.features.feature import Feature
from pybpf.sys import explain
from pybpf.sys.files import read_text
from pybpf.sys.privilege import Privilege, privilege

__all__ = ["capabilities", "settings"]

# What each is good for.
_CAPABILITIES = {
    "CAP_BPF": "maps are made and programs loaded with it",
    "CAP_PERFMON": "programs that trace are loaded and attached with it",
    "CAP_SYS_ADMIN": "other processes' programs, and the types of modules, are seen with it",
    "CAP_NET_ADMIN": "programs for packets (xdp, tc) are loaded with it",
    "CAP_SYS_RESOURCE": "limits are raised with it: of locked memory, before 5.11",
    "CAP_SYS_PTRACE": "stacks and containers of other users' processes are named with it",
    "CAP_DAC_READ_SEARCH": "tracefs, and the files of others, are looked into with it",
    "CAP_SYSLOG": "addresses of the kernel's functions are seen with it",
}


def capabilities() -> list[Feature]:
    """Which capabilities this process has; those that this kernel doesn't know are left out."""
    having = privilege()
    found = []
    for name, use in _CAPABILITIES.items():
        if name in having.known:
            lacking = explain.missing([name], having)
            by = "" if lacking or name in having.capabilities else "by CAP_SYS_ADMIN"
            found.append(Feature(name, "", f"not there: {use}" if lacking else "", value=by))
    return found


class _Setting(NamedTuple):
    """A number in a file; `wrong` says why a value is in the way, or nothing."""

    name: str
    path: str
    wrong: Callable[[int, Privilege], str]


def _fine(value: int, having: Privilege) -> str:
    return ""


def _zero(why: str) -> Callable[[int, Privilege], str]:
    return lambda value, having: why if value == 0 else ""


def _paranoid(value: int, having: Privilege) -> str:
    if value > 2 and "CAP_SYS_ADMIN" not in having.capabilities:
        return "it may keep perf_event_open to CAP_SYS_ADMIN: sysctl kernel.perf_event_paranoid=2"
    return ""


def _hidden(value: int, having: Privilege) -> str:
    if value > 1 or (value == 1 and "CAP_SYSLOG" not in having.capabilities):
        return "addresses of the kernel's functions are hidden: sysctl kernel.kptr_restrict=0"
    return ""


_SETTINGS = (
    _Setting("kernel.unprivileged_bpf_disabled", "/proc/sys/kernel/unprivileged_bpf_disabled", _fine),
    _Setting("kernel.perf_event_paranoid", "/proc/sys/kernel/perf_event_paranoid", _paranoid),
    _Setting("kernel.kptr_restrict", "/proc/sys/kernel/kptr_restrict", _hidden),
    _Setting(
        "net.core.bpf_jit_enable",
        "/proc/sys/net/core/bpf_jit_enable",
        _zero("programs are interpreted, and fentry doesn't work: sysctl net.core.bpf_jit_enable=1"),
    ),
    _Setting("net.core.bpf_jit_harden", "/proc/sys/net/core/bpf_jit_harden", _fine),
    _Setting("kernel.bpf_stats_enabled", "/proc/sys/kernel/bpf_stats_enabled", _fine),
    _Setting(
        "kernel.ftrace_enabled",
        "/proc/sys/kernel/ftrace_enabled",
        _zero("fentry and kprobe.multi don't work: sysctl kernel.ftrace_enabled=1"),
    ),
    _Setting(
        "kprobes",
        "/sys/kernel/debug/kprobes/enabled",
        _zero("they are switched off: echo 1 >/sys/kernel/debug/kprobes/enabled"),
    ),
)


def settings() -> list[Feature]:
    """Lockdown, namespaces, seccomp, and those sysctls that can be read."""
    having = privilege()
    found = [_lockdown(having)]
    if not having.initial_user_namespace:
        why = "it is not the host's: capabilities don't count for BPF there"
        found.append(Feature("user namespace", "", why))
    if having.seccomp:
        value = "in force: it may forbid bpf(2) and perf_event_open(2), as a container's does"
        found.append(Feature("seccomp filter", "", value=value))
    for name, path, wrong in _SETTINGS:
        text = read_text(path)
        if text:
            found.append(Feature(name, "", wrong(int(text), having), value=text))
    return found


def _lockdown(having: Privilege) -> Feature:
    if not having.lockdown:
        why = "can't be read: mount -t securityfs securityfs /sys/kernel/security, and be root"
        return Feature("lockdown", "5.4", why, known=False)
    why = explain.lockdown_forbids("reading kernel memory and kprobes", having)
    return Feature("lockdown", "5.4", why, value=having.lockdown)
