"""Why the kernel said no, and the cure."""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterable

from pybpf.errors import SyscallError
from pybpf.sys import memlock
from pybpf.sys.meanings import meaning
from pybpf.sys.privilege import Privilege, privilege

__all__ = ["denied", "error", "lockdown_forbids", "missing"]

_LOCKDOWN_CURE = "boot with lockdown=integrity or lockdown=none on the kernel's command line"
# Since 5.8; before, and always beside them, CAP_SYS_ADMIN is good for both.
_SPLIT_OFF = frozenset({"CAP_BPF", "CAP_PERFMON"})

# Where EACCES is the verifier's word, and that of what it noted of a program.
_VERIFIED = ("bpf(BPF_PROG_LOAD)", "bpf(BPF_LINK_CREATE)", "ioctl(PERF_EVENT_IOC_SET_BPF)")


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


def denied(needs: Collection[str], having: Privilege, what: str = "reading kernel memory and kprobes") -> str:
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
    perf = "CAP_BPF" not in needs
    if perf and (having.perf_event_paranoid or 0) > 2 and "CAP_SYS_ADMIN" not in having.capabilities:
        return (
            f"kernel.perf_event_paranoid={having.perf_event_paranoid}, as Debian has it, keeps "
            "perf_event_open to CAP_SYS_ADMIN: sysctl kernel.perf_event_paranoid=2, or run it as root (sudo)"
        )
    lockdown = lockdown_forbids(what, having)
    if lockdown:
        return lockdown
    if not perf and having.memlock is not None and memlock.charged():
        return (
            "before Linux 5.11 the memory of maps and programs counts against RLIMIT_MEMLOCK, here "
            f"{having.memlock >> 10} KiB: ulimit -l unlimited, or give it CAP_SYS_RESOURCE"
        )
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


def error(call: str, code: int, needs: Iterable[str]) -> SyscallError:
    """The error to raise for a call that failed so; `needs` are the capabilities that it asks for.

    perf_event_open(2) and files say EACCES where bpf(2) says EPERM.
    """
    said = meaning(call, code)
    if said or code not in (errno.EPERM, errno.EACCES) or (code == errno.EACCES and call in _VERIFIED):
        return SyscallError(call, code, said)
    needs, having = tuple(needs), privilege()
    return SyscallError(call, code, denied(needs, having), missing(needs, having))
