"""Capabilities, settings, limits, mounts and file systems: what is said of them, and what to do."""

from __future__ import annotations

import pytest

from pybpf.features import limits, settings, surroundings
from pybpf.features.feature import Feature
from pybpf.sys import memlock
from pybpf.sys.mounts import Mount
from pybpf.sys.privilege import Privilege

KNOWN = frozenset({"CAP_BPF", "CAP_PERFMON", "CAP_SYS_ADMIN", "CAP_SYSLOG"})
ROOT = Privilege(KNOWN, KNOWN, root=True, lockdown="none")


def having(monkeypatch: pytest.MonkeyPatch, found: Privilege, files: dict[str, str] | None = None) -> None:
    for module in (settings, limits):
        monkeypatch.setattr(module, "privilege", lambda: found)
        monkeypatch.setattr(module, "read_text", lambda path: (files or {}).get(path.split("/")[-1], ""))


def test_capabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    having(monkeypatch, ROOT._replace(capabilities=frozenset({"CAP_SYS_ADMIN"})))
    assert settings.capabilities() == [
        Feature("CAP_BPF", "", value="by CAP_SYS_ADMIN"),
        Feature("CAP_PERFMON", "", value="by CAP_SYS_ADMIN"),
        Feature("CAP_SYS_ADMIN", ""),
        Feature("CAP_SYSLOG", "", "not there: addresses of the kernel's functions are seen with it"),
    ]


@pytest.mark.parametrize(
    ("changed", "files", "found"),
    [
        ({}, {}, []),
        (
            {"lockdown": ""},
            {},
            [
                Feature(
                    "lockdown",
                    "5.4",
                    "can't be read: mount -t securityfs securityfs /sys/kernel/security, and be root",
                    known=False,
                )
            ],
        ),
        (
            {"lockdown": "confidentiality"},
            {},
            [
                Feature(
                    "lockdown",
                    "5.4",
                    "the kernel is locked down (lockdown=confidentiality), which forbids reading kernel"
                    " memory and kprobes: boot with lockdown=integrity or lockdown=none on the kernel's"
                    " command line",
                    value="confidentiality",
                )
            ],
        ),
        (
            {"initial_user_namespace": False},
            {},
            [Feature("user namespace", "", "it is not the host's: capabilities don't count for BPF there")],
        ),
        (
            {},
            {"bpf_jit_enable": "0", "ftrace_enabled": "0", "enabled": "0", "kptr_restrict": "2"},
            [
                Feature(
                    "kernel.kptr_restrict",
                    "",
                    "addresses of the kernel's functions are hidden: sysctl kernel.kptr_restrict=0",
                    value="2",
                ),
                Feature(
                    "net.core.bpf_jit_enable",
                    "",
                    "programs are interpreted, and fentry doesn't work: sysctl net.core.bpf_jit_enable=1",
                    value="0",
                ),
                Feature(
                    "kernel.ftrace_enabled",
                    "",
                    "fentry and kprobe.multi don't work: sysctl kernel.ftrace_enabled=1",
                    value="0",
                ),
                Feature(
                    "kprobes",
                    "",
                    "they are switched off: echo 1 >/sys/kernel/debug/kprobes/enabled",
                    value="0",
                ),
            ],
        ),
        ({}, {"perf_event_paranoid": "3"}, []),
        (
            {"capabilities": frozenset({"CAP_PERFMON"})},
            {"perf_event_paranoid": "3"},
            [
                Feature(
                    "kernel.perf_event_paranoid",
                    "",
                    "it may keep perf_event_open to CAP_SYS_ADMIN: sysctl kernel.perf_event_paranoid=2",
                    value="3",
                )
            ],
        ),
    ],
)
def test_settings_that_are_in_the_way(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, object], files: dict[str, str], found: list[Feature]
) -> None:
    having(monkeypatch, ROOT._replace(**changed), files)  # type: ignore[arg-type]
    assert [each for each in settings.settings() if not each] == found


@pytest.mark.parametrize(
    ("charged", "limit", "capabilities", "value", "why"),
    [
        (False, 65536, frozenset(), "counted against the control group's", ""),
        (True, None, frozenset(), "RLIMIT_MEMLOCK, which is lifted", ""),
        (True, 65536, frozenset({"CAP_SYS_RESOURCE"}), "RLIMIT_MEMLOCK, which is lifted", ""),
        (
            True,
            65536,
            frozenset(),
            "",
            "RLIMIT_MEMLOCK is 64 KiB: ulimit -l unlimited, or give it CAP_SYS_RESOURCE",
        ),
    ],
)
def test_memory(
    monkeypatch: pytest.MonkeyPatch,
    charged: bool,
    limit: int | None,
    capabilities: frozenset[str],
    value: str,
    why: str,
) -> None:
    having(monkeypatch, ROOT._replace(capabilities=capabilities), {"bpf_jit_limit": "264241152"})
    monkeypatch.setattr(memlock, "charged", lambda: charged)
    monkeypatch.setattr(memlock, "limit", lambda: limit)
    found = {each.name: each for each in limits.limits()}
    assert found["memory of maps and programs"] == Feature(
        "memory of maps and programs", "5.11", why, value=value
    )
    assert found["memory for machine code, for users other than root"].value == "264241152 bytes"


def test_file_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = [
        Mount("/", "ext4"),
        Mount("/boot", "ext2"),
        Mount("/s", "fuse.sshfs"),
        Mount("/sys/fs/bpf", "bpf"),
    ]
    monkeypatch.setattr(surroundings, "mounts", lambda: mounts)
    monkeypatch.setattr(
        surroundings, "known_types", lambda: {"ext4", "fuse", "btrfs", "bpf", "tracefs", "debugfs"}
    )
    monkeypatch.setattr(surroundings.modules, "available", lambda name: name == "xfs")
    assert surroundings.file_systems() == [
        Feature("btrfs", "", value="not mounted"),
        Feature("ext4", "", value="mounted at /, /boot"),
        Feature("fuse", "", value="mounted at /s"),
        Feature("nfs", "", "this kernel has no such module"),
        Feature("ntfs3", "", "this kernel has no such module"),
        Feature("xfs", "", "its module is not loaded: modprobe xfs"),
    ]
    assert [(each.name, each.why, each.value) for each in surroundings.kernel_file_systems()] == [
        (
            "tracefs",
            "it is not mounted: mount -t tracefs tracefs /sys/kernel/tracing (tracepoints are found by it)",
            "",
        ),
        (
            "debugfs",
            "it is not mounted: mount -t debugfs debugfs /sys/kernel/debug"
            " (it tells which functions can't be probed)",
            "",
        ),
        (
            "securityfs",
            "this kernel was built without it: it tells whether the kernel is locked down",
            "",
        ),
        ("bpf", "", "/sys/fs/bpf"),
        ("cgroup2", "this kernel was built without it: containers are told apart by it", ""),
    ]


def test_the_file_systems_are_those_that_are_traced() -> None:
    from pybpf.gadget.programs import load

    (choice,) = (each for each in load("trace_fsslower").declarations.params if each.name == "filesystem")
    assert tuple(choice.rows) == surroundings.TRACED  # type: ignore[attr-defined]
