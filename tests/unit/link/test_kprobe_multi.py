"""kprobe.multi and kprobe.session: what is asked of the kernel, and what is said of a refusal."""

from __future__ import annotations

import errno
import struct
from typing import Any

import pytest

from pybpf import features, link
from pybpf.errors import BpfError, LoadError, SyscallError, UnsupportedFeature
from pybpf.features import Feature
from pybpf.link import kprobe_multi
from pybpf.sys import Fd, kallsyms, modules
from pybpf.uapi import bpf

SYMBOLS = b"""\
ffffffff81000200 T vfs_read
ffffffff81000300 t show
ffffffffc0000400 t show\t[nfs]
ffffffffc0000500 t nfs_file_read\t[nfs]
0000000000000000 t hidden
"""
ADDRESSES = {"vfs_read": 0xFFFFFFFF81000200, "nfs_file_read": 0xFFFFFFFFC0000500}
MULTI, SESSION = bpf.BPF_TRACE_KPROBE_MULTI, bpf.BPF_TRACE_KPROBE_SESSION


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    def command(number: int, **fields: Any) -> int:
        assert number == bpf.BPF_LINK_CREATE
        found.append(fields)
        return -1

    monkeypatch.setattr(kprobe_multi, "command", command)
    monkeypatch.setattr(kallsyms, "_text", lambda: SYMBOLS)
    monkeypatch.setattr(kallsyms, "notrace", lambda name: "it is built notrace")
    monkeypatch.setattr(modules, "available", lambda name: False)
    monkeypatch.setattr(modules, "loaded", lambda name: False)
    for name in ("kprobe_multi", "kprobe_session"):
        monkeypatch.setattr(features, name, lambda: Feature("it", "1.0"))
    monkeypatch.setattr(Fd, "fileno", lambda self: -1)
    return found


@pytest.mark.parametrize(
    ("kind", "symbol", "attach_type", "flags"),
    [
        ("kprobe.multi", "vfs_read", MULTI, 0),
        ("kretprobe.multi", "nfs_file_read", MULTI, bpf.BPF_F_KPROBE_MULTI_RETURN),
        ("kprobe.session", "vfs_read", SESSION, 0),
    ],
)
@pytest.mark.parametrize("cookie", [0, 7])
def test_what_is_asked(
    asked: list[dict[str, Any]], kind: str, symbol: str, attach_type: int, flags: int, cookie: int
) -> None:
    made = link.attach(kind, 3, symbol, cookie)
    assert repr(made) == f"<{kind} {symbol}: detached>"
    cookies = {"kprobe_cookies": struct.pack("=Q", 7)} if cookie else {}
    assert asked == [
        {
            "prog_fd": 3,
            "attach_type": attach_type,
            "kprobe_flags": flags,
            "kprobe_cnt": 1,
            "kprobe_addrs": struct.pack("=Q", ADDRESSES[symbol]),
            **cookies,
        }
    ]


@pytest.mark.parametrize(
    ("symbol", "code", "error", "text"),
    [
        (
            "vfs_raed",
            0,
            LoadError,
            "kprobe.multi vfs_raed: this kernel has no such function (did you mean vfs_read?)",
        ),
        ("show", 0, LoadError, "kprobe.multi show: 2 functions have that name, and the kernel won't choose"),
        ("hidden", 0, LoadError, "kprobe.multi hidden: its address is hidden (sysctl kernel.kptr_restrict)"),
        (
            "vfs_read",
            errno.EINVAL,
            LoadError,
            "kprobe.multi vfs_read: it can't be probed: it is built notrace",
        ),
        (
            "vfs_read",
            errno.EMFILE,
            SyscallError,
            "bpf(BPF_LINK_CREATE): Too many open files (EMFILE): kprobe.multi vfs_read",
        ),
    ],
)
def test_refusals(
    monkeypatch: pytest.MonkeyPatch, symbol: str, code: int, error: type[BpfError], text: str
) -> None:
    def refuse(number: int, **fields: Any) -> int:
        raise SyscallError("bpf(BPF_LINK_CREATE)", code)

    monkeypatch.setattr(kprobe_multi, "command", refuse)
    with pytest.raises(error) as caught:
        link.attach("kprobe.multi", 3, symbol)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("kind", "feature"), [("kretprobe.multi", "kprobe_multi"), ("kprobe.session", "kprobe_session")]
)
def test_kernels_without(monkeypatch: pytest.MonkeyPatch, kind: str, feature: str) -> None:
    monkeypatch.setattr(features, feature, lambda: Feature("such links", "9.9", "it is old"))
    with pytest.raises(UnsupportedFeature, match=r"^this kernel has no such links \(since Linux 9"):
        link.attach(kind, 3, "vfs_read")
