"""What is concluded from a kernel's answers."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from pybpf import features
from pybpf.errors import SyscallError, UnsupportedFeature
from pybpf.features import buffers, feature, helpers, host, probes
from pybpf.features.feature import Feature
from pybpf.sys.privilege import Privilege
from pybpf.uapi import bpf

LOCKED = Privilege(frozenset(), frozenset(), lockdown="confidentiality")
FREE = Privilege(frozenset(), frozenset(), lockdown="none")
TRIED = [
    features.ringbuf,
    features.probe_read_kernel,
    features.ktime_get_boot_ns,
    features.jmp32,
    features.isa_v4,
]


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def forget() -> None:
        for each in (*TRIED, features.kprobe, features.perf_link, features.vmlinux_btf, features.host_target):
            each.cache_clear()

    forget()
    monkeypatch.setattr(helpers, "privilege", lambda: FREE)
    yield
    forget()


def kernel_that_answers(monkeypatch: pytest.MonkeyPatch, code: int) -> list[int]:
    asked: list[int] = []

    def command(number: int, **fields: Any) -> int:
        asked.append(number)
        raise SyscallError("bpf", code, "the cure" if code == errno.EPERM else "")

    for module in (buffers, feature, probes):
        monkeypatch.setattr(module, "command", command)
    return asked


@pytest.mark.parametrize(
    ("probe", "missing"),
    [
        (features.ringbuf, Feature("ring buffer", "5.8", "it has perf buffers only: --buffer perf")),
        (
            features.jmp32,
            Feature("32-bit jumps", "5.1", "this kernel's verifier doesn't know it"),
        ),
    ],
)
def test_a_kernel_that_lacks_it(monkeypatch: pytest.MonkeyPatch, probe: Any, missing: Feature) -> None:
    asked = kernel_that_answers(monkeypatch, errno.EINVAL)
    assert probe() == missing
    assert not probe()
    assert len(asked) == 1  # found once
    with pytest.raises(UnsupportedFeature) as caught:
        features.require(probe())
    assert (
        str(caught.value) == f"this kernel has no {missing.name} (since Linux {missing.since}): {missing.why}"
    )


@pytest.mark.parametrize("probe", [*TRIED, features.perf_link])
def test_without_privilege_nothing_is_concluded(monkeypatch: pytest.MonkeyPatch, probe: Any) -> None:
    kernel_that_answers(monkeypatch, errno.EPERM)
    for _ in range(2):  # and nothing is kept
        with pytest.raises(SyscallError, match=r"^bpf: Operation not permitted \(EPERM\): the cure$"):
            probe()


def test_a_lockdown_is_the_reason_for_a_missing_helper(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel_that_answers(monkeypatch, errno.EINVAL)
    monkeypatch.setattr(helpers, "privilege", lambda: LOCKED)
    assert features.probe_read_kernel().why == (
        "the kernel is locked down (lockdown=confidentiality), which forbids reading kernel memory: "
        "boot with lockdown=integrity or lockdown=none on the kernel's command line"
    )


@pytest.mark.parametrize(("code", "there"), [(errno.EBADF, True), (errno.EINVAL, False)])
def test_a_link_is_tried_with_an_event_that_is_not(
    monkeypatch: pytest.MonkeyPatch, code: int, there: bool, tmp_path: Any
) -> None:
    def trial(code: bytes) -> Any:
        return (tmp_path / "program").open("w")

    monkeypatch.setattr(probes, "trial", trial)
    asked = kernel_that_answers(monkeypatch, code)
    assert bool(features.perf_link()) is there
    assert asked == [bpf.BPF_LINK_CREATE]


def test_a_machine_whose_calling_convention_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine="pdp11"))
    with pytest.raises(UnsupportedFeature) as caught:
        features.host_target()
    assert str(caught.value).startswith(
        "this kernel has no calling convention known here for pdp11: known are "
    )


def test_the_target_has_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from pybpf import btf

    found = {"jmp32": lambda: Feature("a", "1"), "ringbuf": lambda: Feature("b", "2", "no")}
    monkeypatch.setattr(host, "_FEATURES", found)
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine="x86_64"))
    monkeypatch.setattr(btf, "kernel", btf.reference)
    target = features.host_target()
    assert (target.name, target.features, target.arch.name) == ("host", {"jmp32"}, "x86_64")
