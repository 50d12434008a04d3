"""Which functions exist, and what is said of those that don't."""

from __future__ import annotations

import pytest

from pybpf.link import Missing, resolve
from pybpf.link.functions import absent
from pybpf.spec import functions
from pybpf.sys import kallsyms, modules

SYMBOLS = b"""\
ffffffff81000200 T vfs_read
ffffffff81000300 T vfs_readv
ffffffff81000400 t do_thing.constprop.0
ffffffff81000410 t do_thing.part.0
ffffffff81000420 t do_part.cold
ffffffff81000430 T __x64_sys_openat
ffffffffc0000000 t nfs_file_open\t[nfs]
"""


@pytest.fixture(autouse=True)
def kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kallsyms, "_text", lambda: SYMBOLS)
    monkeypatch.setattr(modules, "loaded", lambda name: name == "nfs")
    monkeypatch.setattr(modules, "available", lambda name: name in ("nfs", "ext4", "ntfs3"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("vfs_read, nfs_file_open", ("vfs_read", "nfs_file_open")),
        ("nfs4_file_open?, vfs_read", ("vfs_read",)),
        ("nfs_file_open,nfs4_file_open?", ("nfs_file_open",)),
        ("nothing|vfs_readv, vfs_read|vfs_readv", ("vfs_readv", "vfs_read")),
        ("vfs_read+0x10, 0xffffffff81000304", ("vfs_read+0x10", "0xffffffff81000304")),
    ],
)
def test_found(text: str, found: tuple[str, ...]) -> None:
    assert resolve(functions(text)) == (found, ())


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("ext4_file_open", "module ext4 is not loaded: modprobe ext4"),
        ("ntfs_file_open", "module ntfs3 is not loaded: modprobe ntfs3"),
        ("nfs_file_opne", "this kernel has no such function (did you mean nfs_file_open?)"),
        ("vfs_raed", "this kernel has no such function (did you mean vfs_read or vfs_readv?)"),
        (
            "do_thing",
            "the compiler changed it, and renamed it to do_thing.constprop.0: name that, if its parameters"
            " are still those that you need",
        ),
        ("do_part", "the compiler left only a part of it, do_part.cold"),
        (
            "sys_openat",
            "system calls have other names on each architecture: @kprobe('openat', syscall=True)",
        ),
        ("vfs_raed+0x10", "this kernel has no such function (did you mean vfs_read or vfs_readv?)"),
        (
            "xfs_file_open",
            "this kernel has no such function: it has another name, or was inlined into those that call it",
        ),
    ],
)
def test_missing(name: str, why: str) -> None:
    assert resolve(functions(f"vfs_read, {name}|no_such")) == (("vfs_read",), (Missing(name, why),))


def test_symbols_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kallsyms, "_text", lambda: b"")
    assert absent("vfs_read") == (
        "the kernel's symbols can't be read: run it as root (sudo), with /proc mounted"
    )
