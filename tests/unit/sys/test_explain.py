"""Why the kernel said no: each cause with its cure, told apart."""

from __future__ import annotations

import errno

import pytest

from pybpf.errors import SyscallError
from pybpf.sys import explain, memlock
from pybpf.sys.meanings import MEANINGS, meaning
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
            NOBODY._replace(capabilities=frozenset(TRACING), lockdown="none", memlock=65536),
            "before Linux 5.11 the memory of maps and programs counts against RLIMIT_MEMLOCK, here 64 KiB: "
            "ulimit -l unlimited, or give it CAP_SYS_RESOURCE",
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
def test_each_cause_has_its_cure(monkeypatch: pytest.MonkeyPatch, having: Privilege, text: str) -> None:
    monkeypatch.setattr(memlock, "charged", lambda: True)
    assert explain.denied(TRACING, having, "kprobes") == text


def test_a_limit_of_memory_is_no_matter_to_a_kernel_that_does_not_charge_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memlock, "charged", lambda: False)
    limited = ROOT._replace(memlock=65536)
    assert explain.denied(TRACING, limited) == explain.denied(TRACING, ROOT)


def test_debian_keeps_perf_events_from_cap_perfmon() -> None:
    having = NOBODY._replace(capabilities=frozenset(TRACING), perf_event_paranoid=3)
    assert explain.denied(["CAP_PERFMON"], having) == (
        "kernel.perf_event_paranoid=3, as Debian has it, keeps perf_event_open to CAP_SYS_ADMIN: "
        "sysctl kernel.perf_event_paranoid=2, or run it as root (sudo)"
    )


# What users meet: each is explained, and says what helps where something does.
MET = {
    "bpf(BPF_MAP_CREATE)": "EPERM EINVAL E2BIG ENOMEM EMFILE ENOSYS",
    "bpf(BPF_MAP_UPDATE_ELEM)": "EPERM EINVAL E2BIG ENOENT EEXIST EBUSY ENOMEM",
    "bpf(BPF_MAP_LOOKUP_ELEM)": "EPERM EINVAL EOPNOTSUPP",
    "bpf(BPF_MAP_DELETE_ELEM)": "EPERM EINVAL EBUSY EOPNOTSUPP",
    "bpf(BPF_MAP_FREEZE)": "EPERM EBUSY",
    "bpf(BPF_PROG_LOAD)": "EPERM EINVAL E2BIG ENOSPC EBUSY EAGAIN ENOMEM",
    "bpf(BPF_BTF_LOAD)": "EPERM EINVAL E2BIG ENOSPC",
    "bpf(BPF_OBJ_PIN)": "EPERM ENOENT EEXIST EINVAL",
    "bpf(BPF_OBJ_GET)": "EPERM EACCES ENOENT EINVAL",
    "bpf(BPF_RAW_TRACEPOINT_OPEN)": "EPERM EINVAL ENOENT EBUSY E2BIG",
    "bpf(BPF_LINK_CREATE)": "EPERM EINVAL ENOENT E2BIG EBUSY EEXIST EILSEQ ENODEV ESRCH EOPNOTSUPP",
    "bpf(BPF_PROG_TEST_RUN)": "EPERM EINVAL ENOSPC",
    "perf_event_open": "EPERM EACCES EINVAL ENOENT E2BIG ENOSPC EBUSY EILSEQ EMFILE ENODEV EOPNOTSUPP ESRCH",
    "ioctl(PERF_EVENT_IOC_SET_BPF)": "EPERM EINVAL E2BIG EEXIST",
    "mmap(266240 bytes)": "EPERM EINVAL ENOMEM",
    "bind": "EPERM ENODEV ENETDOWN",
}


@pytest.mark.parametrize(
    ("call", "name"), [(call, name) for call, names in MET.items() for name in names.split()]
)
def test_what_users_meet_is_explained(monkeypatch: pytest.MonkeyPatch, call: str, name: str) -> None:
    monkeypatch.setattr(explain, "privilege", lambda: NOBODY)
    error = explain.error(call, getattr(errno, name), ["CAP_BPF"])
    assert len(error.why.split()) >= 4
    assert "\n" not in error.why
    assert not error.why.endswith(".")
    denied = name in ("EPERM", "EACCES") and call[:4] != "mmap"
    assert error.lacking == (("CAP_BPF",) if denied else ())
    assert denied == (error.why == "CAP_BPF is missing: run it as root (sudo)")


@pytest.mark.parametrize(
    ("call", "code", "text"),
    [
        (
            "bpf(BPF_MAP_UPDATE_ELEM)",
            errno.E2BIG,
            "the map is full, or has no such index: it needs more max_entries",
        ),
        (
            "bpf(BPF_LINK_CREATE)",
            errno.EMFILE,
            "this process has as many files open as it may: raise the limit (ulimit -n)",
        ),
        (
            "mmap(8192 bytes)",
            errno.EPERM,
            "more memory than this user may lock: a smaller --buffer-size, a higher"
            " kernel.perf_event_mlock_kb or ulimit -l, or CAP_IPC_LOCK",
        ),
        ("bpf(BPF_MAP_CREATE)", errno.EIO, ""),
    ],
)
def test_the_sentence(call: str, code: int, text: str) -> None:
    assert meaning(call, code) == text


def test_sentences_are_for_one_line() -> None:
    for call, found in MEANINGS.items():
        for code, text in found.items():
            assert text.isprintable(), (call, code)
            assert text[-1] not in ".:, ", (call, code)


def test_an_error_is_about_something() -> None:
    error = SyscallError("bpf(BPF_MAP_CREATE)", errno.EPERM, "CAP_BPF is missing", ["CAP_BPF"]).about(
        "map starts"
    )
    assert (error.why, error.lacking) == ("map starts: CAP_BPF is missing", ("CAP_BPF",))
    assert SyscallError("bpf(BPF_MAP_CREATE)", errno.EIO).about("map starts").why == "map starts"
