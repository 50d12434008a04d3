"""Why the kernel said no: each cause with its cure, told apart."""

from __future__ import annotations

import pytest

from pybpf.sys import explain
from pybpf.sys.privilege import Privilege

ALL = frozenset({"CAP_BPF", "CAP_PERFMON", "CAP_SYS_ADMIN", "CAP_SYS_RESOURCE"})
OLD = ALL - {"CAP_BPF", "CAP_PERFMON"}
TRACING = ("CAP_BPF", "CAP_PERFMON")
NOBODY = Privilege(capabilities=frozenset(), known=ALL)
ROOT = Privilege(capabilities=ALL, known=ALL, root=True, lockdown="none")


@pytest.mark.parametrize(
    ("needs", "having", "missing"),
    [
        (TRACING, NOBODY, ["CAP_BPF", "CAP_PERFMON"]),
        (TRACING, NOBODY._replace(capabilities=frozenset({"CAP_BPF"})), ["CAP_PERFMON"]),
        (TRACING, NOBODY._replace(capabilities=frozenset({"CAP_SYS_ADMIN"})), []),
        (TRACING, ROOT, []),
        (TRACING, NOBODY._replace(known=OLD), ["CAP_SYS_ADMIN"]),
        (
            ("CAP_SYS_RESOURCE",),
            NOBODY._replace(capabilities=frozenset({"CAP_SYS_ADMIN"})),
            ["CAP_SYS_RESOURCE"],
        ),
    ],
)
def test_which_capability_is_missing(needs: tuple[str, ...], having: Privilege, missing: list[str]) -> None:
    assert explain.missing(needs, having) == missing


@pytest.mark.parametrize(
    ("having", "text"),
    [
        (
            NOBODY._replace(unprivileged_bpf_disabled=2, perf_event_paranoid=3),
            "CAP_BPF and CAP_PERFMON are missing (kernel.unprivileged_bpf_disabled=2, "
            "kernel.perf_event_paranoid=3): run it as root (sudo)",
        ),
        (
            NOBODY._replace(unprivileged_bpf_disabled=0, perf_event_paranoid=-1),
            "CAP_BPF and CAP_PERFMON are missing: run it as root (sudo)",
        ),
        (
            NOBODY._replace(known=OLD, unprivileged_bpf_disabled=1),
            "CAP_SYS_ADMIN is missing (kernel.unprivileged_bpf_disabled=1): run it as root (sudo)",
        ),
        (
            ROOT._replace(capabilities=frozenset({"CAP_BPF"})),
            "CAP_PERFMON is missing: give the container or service more (--cap-add)",
        ),
        (
            ROOT._replace(initial_user_namespace=False),
            "this process is in a user namespace of its own, where capabilities don't count for BPF: "
            "run it on the host, or in a container that shares the host's user namespace",
        ),
        (
            NOBODY._replace(capabilities=frozenset(TRACING), perf_event_paranoid=3),
            "kernel.perf_event_paranoid=3, as Debian has it, keeps perf_event_open to CAP_SYS_ADMIN: "
            "sysctl kernel.perf_event_paranoid=2, or run it as root (sudo)",
        ),
        (
            ROOT._replace(lockdown="confidentiality", seccomp=True),
            "the kernel is locked down (lockdown=confidentiality), which forbids kprobes: "
            "boot with lockdown=integrity or lockdown=none on the kernel's command line",
        ),
        (
            ROOT._replace(lockdown="integrity", seccomp=True),
            "a seccomp filter is in force, as in a container: start the container with "
            "--security-opt seccomp=unconfined or --privileged",
        ),
        (
            ROOT._replace(lockdown=""),
            "all capabilities are there; the kernel may be locked down: see /sys/kernel/security/lockdown "
            "(mount -t securityfs securityfs /sys/kernel/security); if it says confidentiality, "
            "boot with lockdown=integrity or lockdown=none on the kernel's command line",
        ),
        (
            ROOT,
            "all capabilities are there: a security module (SELinux, AppArmor) forbids it: "
            "see the kernel log",
        ),
    ],
)
def test_each_cause_has_its_cure(having: Privilege, text: str) -> None:
    assert explain.denied(TRACING, having, "kprobes") == text
