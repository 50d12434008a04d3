"""Which kinds of attachments there are, by a kernel's answers."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

import pytest

from pybpf import btf, features
from pybpf.btf.build import Builder
from pybpf.errors import SyscallError
from pybpf.features import attachments, feature
from pybpf.features.feature import Feature
from pybpf.uapi import bpf


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    cached = (features.bpf_lsm, features.iterator, features.netfilter, features.uprobe_multi)
    for each in cached:
        each.cache_clear()
    yield
    for each in cached:
        each.cache_clear()


@pytest.mark.parametrize(
    ("active", "why"),
    [
        ("lockdown,capability,bpf", ""),
        ("lockdown,capability", "boot with lsm=lockdown,capability,bpf on the kernel's command line"),
        ("", "it can't be told: mount -t securityfs securityfs /sys/kernel/security"),
    ],
)
def test_security_modules(monkeypatch: pytest.MonkeyPatch, active: str, why: str) -> None:
    monkeypatch.setattr(attachments, "read_text", lambda path: active)
    assert features.bpf_lsm() == Feature("active BPF LSM", "5.7", why, known=bool(active))


def kernel(monkeypatch: pytest.MonkeyPatch, code: int) -> list[tuple[int, int]]:
    asked = []

    def command(number: int, **fields: int) -> int:
        asked.append((fields["prog_type"], fields["expected_attach_type"]))
        if code:
            raise SyscallError("bpf(BPF_PROG_LOAD)", code)
        return -1

    monkeypatch.setattr(feature, "command", command)
    return asked


@pytest.mark.parametrize(
    ("functions", "code", "why"),
    [
        (["bpf_iter_task"], 0, ""),
        ([], 0, "walk what the kernel has from another kind of probe"),
        (["bpf_iter_task"], errno.EPERM, "bpf(BPF_PROG_LOAD): Operation not permitted (EPERM)"),
    ],
)
def test_iterators(monkeypatch: pytest.MonkeyPatch, functions: list[str], code: int, why: str) -> None:
    make = Builder()
    for name in ["other", *functions]:
        make.function(name)
    types = btf.parse(make.finish())
    monkeypatch.setattr(btf, "kernel", lambda: types)
    asked = kernel(monkeypatch, code)
    assert features.iterator() == Feature("BPF iterators", "5.8", why)
    assert asked == [(bpf.BPF_PROG_TYPE_TRACING, bpf.BPF_TRACE_ITER)] * len(functions)


@pytest.mark.parametrize(
    ("load", "link", "why"),
    [
        (0, errno.EBADF, ""),
        (0, errno.EINVAL, "one perf event a place serves instead"),
        (errno.EINVAL, 0, "one perf event a place serves instead"),
    ],
)
def test_uprobes_at_many_places(monkeypatch: pytest.MonkeyPatch, load: int, link: int, why: str) -> None:
    def command(number: int, **fields: Any) -> int:
        code = load if number == bpf.BPF_PROG_LOAD else link
        if code:
            raise SyscallError("bpf", code)
        return -1

    monkeypatch.setattr(feature, "command", command)
    monkeypatch.setattr(attachments, "command", command)
    monkeypatch.setattr("pybpf.sys.fd.Fd.fileno", lambda self: 3)
    assert features.uprobe_multi() == Feature("uprobe.multi links", "6.6", why)


def test_netfilter(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = kernel(monkeypatch, 0)
    assert features.netfilter() == Feature("netfilter programs", "6.4")
    assert asked == [(bpf.BPF_PROG_TYPE_NETFILTER, bpf.BPF_NETFILTER)]
    features.netfilter.cache_clear()
    kernel(monkeypatch, errno.EINVAL)
    assert features.netfilter().why == "xdp, tc, or a socket_filter, sees packets too"
    features.netfilter.cache_clear()
    kernel(monkeypatch, errno.EPERM)
    with pytest.raises(SyscallError):
        features.netfilter()
