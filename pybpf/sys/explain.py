"""Why the kernel said no, and the cure."""

from __future__ import annotations

import errno as _errno
from collections.abc import Iterable

from pybpf.sys.privilege import Privilege, privilege

__all__ = ["denied", "errno", "lockdown_forbids", "missing"]

_LOCKDOWN_CURE = "boot with lockdown=integrity or lockdown=none on the kernel's command line"
# Since 5.8; before, and always beside them, CAP_SYS_ADMIN is good for both.
_SPLIT_OFF = frozenset({"CAP_BPF", "CAP_PERFMON"})


def missing(needs: Iterable[str], having: Privilege) -> list[str]:
    """The capabilities of `needs` that are not there, by the names that this kernel knows."""
    wanted = {name if name in having.known else "CAP_SYS_ADMIN" for name in needs}
    if "CAP_SYS_ADMIN" in having.capabilities:
        wanted -= _SPLIT_OFF
    return sorted(wanted - having.capabilities)


def _sysctls(having: Privilege, lacking: list[str]) -> str:
    """Those settings without which the lack would matter less."""
    found = []
    if having.unprivileged_bpf_disabled and set(lacking) & {"CAP_BPF", "CAP_SYS_ADMIN"}:
        found.append(f"kernel.unprivileged_bpf_disabled={having.unprivileged_bpf_disabled}")
    if (having.perf_event_paranoid or 0) > 1 and set(lacking) & {"CAP_PERFMON", "CAP_SYS_ADMIN"}:
        found.append(f"kernel.perf_event_paranoid={having.perf_event_paranoid}")
    return f" ({', '.join(found)})" if found else ""


def lockdown_forbids(what: str, having: Privilege) -> str:
    """The sentence for something that lockdown mode `confidentiality` forbids; empty in other modes."""
    if having.lockdown != "confidentiality":
        return ""
    return f"the kernel is locked down (lockdown=confidentiality), which forbids {what}: {_LOCKDOWN_CURE}"


def denied(needs: Iterable[str], having: Privilege, what: str = "reading kernel memory and kprobes") -> str:
    """Why EPERM: the likeliest cause with its cure. Never empty.

    `needs` are the capabilities that the call asks for; `what` names, for the lockdown case, what is denied.
    """
    lacking = missing(needs, having)
    if lacking:
        names, are = " and ".join(lacking), "are" if len(lacking) > 1 else "is"
        cure = "give the container or service more (--cap-add)" if having.root else "run it as root (sudo)"
        return f"{names} {are} missing{_sysctls(having, lacking)}: {cure}"
    if not having.initial_user_namespace:
        return (
            "this process is in a user namespace of its own, where capabilities don't count for BPF: "
            "run it on the host, or in a container that shares the host's user namespace"
        )
    if (having.perf_event_paranoid or 0) > 2 and "CAP_SYS_ADMIN" not in having.capabilities:
        return (
            f"kernel.perf_event_paranoid={having.perf_event_paranoid}, as Debian has it, keeps "
            "perf_event_open to CAP_SYS_ADMIN: sysctl kernel.perf_event_paranoid=2, or run it as root (sudo)"
        )
    lockdown = lockdown_forbids(what, having)
    if lockdown:
        return lockdown
    if having.seccomp:
        return (
            "a seccomp filter is in force, as in a container: start the container with "
            "--security-opt seccomp=unconfined or --privileged"
        )
    if not having.lockdown:
        return (
            "all capabilities are there; the kernel may be locked down: see "
            "/sys/kernel/security/lockdown (mount -t securityfs securityfs /sys/kernel/security); "
            f"if it says confidentiality, {_LOCKDOWN_CURE}"
        )
    return "all capabilities are there: a security module (SELinux, AppArmor) forbids it: see the kernel log"


def errno(code: int, needs: Iterable[str]) -> str:
    """What there is to say of a failed call by its errno alone; empty when nothing."""
    if code == _errno.EPERM:
        return denied(needs, privilege())
    if code == _errno.ENOSYS:
        return "this kernel was built without it (CONFIG_BPF_SYSCALL, CONFIG_PERF_EVENTS)"
    return ""
