"""Whether there are trampolines and uprobes, by a kernel's answers."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

import pytest

from pybpf import btf, features
from pybpf.btf.build import Builder
from pybpf.errors import SyscallError, UnsupportedFeature
from pybpf.features import feature, probes
from pybpf.features.feature import Feature
from pybpf.uapi import bpf

NAME, SINCE = "fentry and fexit", "5.5"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    features.fentry.cache_clear()
    features.uprobe.cache_clear()
    yield
    features.fentry.cache_clear()
    features.uprobe.cache_clear()


def kernel(monkeypatch: pytest.MonkeyPatch, functions: str, refuses: int = 0) -> list[Any]:
    """One with these functions in its BTF, that refuses a command."""
    make = Builder()
    for name in functions.split():
        make.function(name)
    types = btf.parse(make.finish())
    monkeypatch.setattr(btf, "kernel", lambda: types)
    asked: list[Any] = []

    def command(number: int, **fields: Any) -> int:
        asked.append((number, fields.get("attach_btf_id")))
        if number == refuses:
            raise SyscallError("bpf", errno.EPERM, "the cure")
        return -1

    monkeypatch.setattr(feature, "command", command)
    monkeypatch.setattr(probes, "command", command)
    monkeypatch.setattr("pybpf.sys.fd.Fd.fileno", lambda self: 3)
    return asked


def test_trampolines_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = kernel(monkeypatch, "other bpf_fentry_test1")
    assert features.fentry() == Feature(NAME, SINCE)
    function = next(btf.kernel().functions("bpf_fentry_test1"))
    assert asked == [(bpf.BPF_PROG_LOAD, function.id), (bpf.BPF_RAW_TRACEPOINT_OPEN, None)]


@pytest.mark.parametrize("refuses", [bpf.BPF_PROG_LOAD, bpf.BPF_RAW_TRACEPOINT_OPEN])
def test_a_kernel_without_them(monkeypatch: pytest.MonkeyPatch, refuses: int) -> None:
    kernel(monkeypatch, "bpf_fentry_test1", refuses)
    why = "a kprobe serves as well, where there are any (bpf: Operation not permitted (EPERM): the cure)"
    assert features.fentry() == Feature(NAME, SINCE, why)


def test_without_something_to_try_them_on(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel(monkeypatch, "other")
    assert features.fentry().why == "it was built without CONFIG_BPF_JIT or CONFIG_NET"


def test_without_types(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise UnsupportedFeature("BTF", "5.4")

    monkeypatch.setattr(btf, "kernel", none)
    assert features.fentry().why == "this kernel has no BTF (since Linux 5.4)"


@pytest.mark.parametrize(
    ("pmu", "in_tracefs", "found"),
    [
        (9, False, Feature("uprobes by perf_event_open", "4.17")),
        (None, True, Feature("uprobes by perf_event_open", "4.17", "run a newer kernel")),
    ],
)
def test_uprobes(monkeypatch: pytest.MonkeyPatch, pmu: int | None, in_tracefs: bool, found: Feature) -> None:
    monkeypatch.setattr(probes.perf, "pmu_type", lambda name: pmu)
    monkeypatch.setattr(probes.tracefs, "exists", lambda name: in_tracefs)
    assert features.uprobe() == found
