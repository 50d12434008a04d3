"""What a kprobe that can't be attached is told, by the kernel's answer."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

import pytest

from pybpf import features, link
from pybpf.errors import BpfError, LoadError, SyscallError, UnsupportedFeature, UsageError
from pybpf.link import kprobe
from pybpf.sys import cpus, kallsyms, modules, perf, tracefs

SYMBOLS = b"ffffffff81000200 T vfs_read\nffffffff81000300 t show\nffffffff81000400 t show\t[nfs]\n"


@pytest.fixture(autouse=True)
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    features.kprobe.cache_clear()
    monkeypatch.setattr(kallsyms, "_text", lambda: SYMBOLS)
    monkeypatch.setattr(kallsyms, "read_bytes", lambda path: b"")
    monkeypatch.setattr(tracefs, "read", lambda name: b"")
    monkeypatch.setattr(modules, "loaded", lambda name: False)
    monkeypatch.setattr(modules, "available", lambda name: name == "ext4")
    monkeypatch.setattr(cpus, "online", lambda: (0,))
    monkeypatch.setattr(perf, "pmu_type", lambda name: 8)
    monkeypatch.setattr(perf, "pmu_bit", lambda name, term: 0)
    yield
    features.kprobe.cache_clear()


def refusing(monkeypatch: pytest.MonkeyPatch, code: int) -> list[dict[str, Any]]:
    asked: list[dict[str, Any]] = []

    def open_event(what: str, cpu: int, **fields: Any) -> None:
        asked.append({"what": what, "cpu": cpu, **fields})
        raise SyscallError("perf_event_open", code, "no kprobes for you" if code == errno.EACCES else "")

    monkeypatch.setattr(perf, "open_event", open_event)
    return asked


@pytest.mark.parametrize(
    ("symbol", "code", "kind", "text"),
    [
        ("ext4_file_open", errno.ENOENT, LoadError, "kprobe {}: module ext4 is not loaded: modprobe ext4"),
        (
            "vfs_raed",
            errno.EINVAL,
            LoadError,
            "kprobe {}: this kernel has no such function (did you mean vfs_read?)",
        ),
        (
            "vfs_read",
            errno.EINVAL,
            LoadError,
            "kprobe {}: it can't be probed: the kernel doesn't allow probes in it",
        ),
        (
            "show",
            errno.EADDRNOTAVAIL,
            LoadError,
            "kprobe {}: 2 functions have that name, and the kernel won't choose",
        ),
        (
            "vfs_read+0x3",
            errno.EILSEQ,
            LoadError,
            "kprobe {}: offset 3 is not the start of an instruction of it",
        ),
        (
            "vfs_read",
            errno.EACCES,
            SyscallError,
            "perf_event_open: Permission denied (EACCES): kprobe {}: no kprobes for you",
        ),
        (
            "vfs_read",
            errno.EMFILE,
            SyscallError,
            "perf_event_open: Too many open files (EMFILE): kprobe {}",
        ),
    ],
)
def test_a_refusal_and_its_cause(
    monkeypatch: pytest.MonkeyPatch, symbol: str, code: int, kind: type[BpfError], text: str
) -> None:
    asked = refusing(monkeypatch, code)
    with pytest.raises(kind) as caught:
        kprobe.attach(3, symbol)
    assert str(caught.value) == text.format(symbol)
    assert getattr(caught.value, "name", symbol) == symbol
    function, _, offset = symbol.partition("+")
    assert asked[0]["config1"] == function.encode() + b"\0"
    assert asked[0]["config2"] == int(offset or "0", 16)


def test_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = refusing(monkeypatch, errno.EINVAL)
    with pytest.raises(LoadError) as caught:
        kprobe.attach(3, "0xffffffff81000203")
    assert (asked[0]["config1"], asked[0]["config2"]) == (b"", 0xFFFFFFFF81000203)
    why = "no instruction of the kernel's begins there, or no probe may be there"
    assert str(caught.value) == f"kprobe 0xffffffff81000203: {why}"


@pytest.mark.parametrize(
    ("blacklist", "traceable", "reason"),
    [
        (b"0xffffffff81000200-0xffffffff81000300\tvfs_read\n", b"", "it is on the kernel's kprobe blacklist"),
        (b"", b"vfs_write\nshow [nfs]\n", "it is built notrace"),
        (b"", b"vfs_read\n", "the kernel doesn't allow probes in it"),
    ],
)
def test_a_function_that_is_not_traceable(
    monkeypatch: pytest.MonkeyPatch, blacklist: bytes, traceable: bytes, reason: str
) -> None:
    refusing(monkeypatch, errno.EINVAL)
    monkeypatch.setattr(kallsyms, "read_bytes", lambda path: blacklist)
    monkeypatch.setattr(tracefs, "read", lambda name: traceable)
    with pytest.raises(LoadError) as caught:
        kprobe.attach(3, "vfs_read", retprobe=True)
    assert str(caught.value) == f"kretprobe vfs_read: it can't be probed: {reason}"


@pytest.mark.parametrize(
    ("tracefs_has_it", "text"),
    [
        (
            False,
            "this kernel has no kprobes: it was built without CONFIG_KPROBE_EVENTS; run a kernel that has "
            "it, as distributions' do",
        ),
        (True, "this kernel has no kprobes by perf_event_open (since Linux 4.17): run a newer kernel"),
    ],
)
def test_a_kernel_without_kprobes(monkeypatch: pytest.MonkeyPatch, tracefs_has_it: bool, text: str) -> None:
    monkeypatch.setattr(perf, "pmu_type", lambda name: None)
    monkeypatch.setattr(tracefs, "exists", lambda name: tracefs_has_it)
    with pytest.raises(UnsupportedFeature) as caught:
        link.attach("kprobe", 3, "vfs_read")
    assert str(caught.value) == text


def test_a_kind_that_is_none() -> None:
    with pytest.raises(UsageError) as caught:
        link.attach("kprob", 3, "vfs_read")
    assert str(caught.value) == ("programs can't be attached as 'kprob' (did you mean 'kprobe'?)")
