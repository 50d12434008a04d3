"""Features, on the kernel that this runs on."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable

import pytest

from pybpf import features
from pybpf.features import Feature


def version() -> tuple[int, ...]:
    return tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2])


def at_least(since: str) -> bool:
    return version() >= tuple(int(part) for part in since.split("."))


TRIED = [
    features.ringbuf,
    features.ktime_get_boot_ns,
    features.jmp32,
    features.isa_v4,
    features.perf_link,
]


@pytest.mark.parametrize("probe", TRIED)
def test_a_kernel_has_what_came_before_it_and_nothing_later(probe: Callable[[], Feature]) -> None:
    # The only place that looks at the version: to find out whether the trials are good ones.
    found = probe()
    assert bool(found) is at_least(found.since), found.why


@pytest.mark.needs("kernel_memory")
def test_probe_read_kernel() -> None:
    assert features.probe_read_kernel()


@pytest.mark.needs("kprobes")
def test_kprobes() -> None:
    assert features.kprobe()


@pytest.mark.needs("btf")
def test_the_host_as_a_target() -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    target = features.host_target()
    assert target.name == "host"
    assert target.portable is False
    assert "struct file" in target.btf
    assert "jmp32" in target.features
    assert target is features.host_target()
    assert sorted(os.listdir("/proc/self/fd")) == before
