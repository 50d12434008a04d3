"""Descriptors, processors, symbols."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from pybpf.errors import UnsupportedFeature
from pybpf.sys import Fd, cpus, kallsyms, syscall

SYMBOLS = b"""\
ffffffff81000000 T _text
ffffffff81000100 t ext4_open_helper
ffffffff81000200 T vfs_read
ffffffff81000300 d vfs_read_data
ffffffff81000400 t show
ffffffff81000500 t show.isra.0
ffffffff81000600 D jiffies
ffffffffc0000000 t ext4_file_open\t[ext4]
ffffffffc0001000 t show\t[ext4]
ffffffffc0002000 w weak\t[nfs]
"""


def descriptor() -> int:
    return os.open(os.devnull, os.O_RDONLY)


def test_an_owner_closes_once() -> None:
    number = descriptor()
    with Fd(number, "map starts") as fd:
        assert fd.fileno() == number
        assert repr(fd) == f"<map starts: descriptor {number}>"
    fd.close()
    assert fd.closed
    assert repr(fd) == "<map starts: closed>"
    with pytest.raises(ValueError, match=r"^map starts is closed$"):
        fd.fileno()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


def test_an_owner_that_is_forgotten_closes_and_warns() -> None:
    number = descriptor()
    with pytest.warns(ResourceWarning, match=rf"^<map starts: descriptor {number}> was not closed$"):
        Fd(number, "map starts").__del__()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


@pytest.mark.parametrize(
    ("text", "found"),
    [("", ()), ("0", (0,)), ("0-1", (0, 1)), ("0-2,4\n", (0, 1, 2, 4)), ("1,3-3,8-9", (1, 3, 8, 9))],
)
def test_lists_of_processors(text: str, found: tuple[int, ...]) -> None:
    assert cpus.parse(text) == found


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["vfs_read"], {"vfs_read": ("",)}),
        (["ext4_file_open", "no"], {"ext4_file_open": ("ext4",)}),
        (["show"], {"show": ("", "ext4")}),
        (["show.isra.0"], {"show.isra.0": ("",)}),
        (["weak"], {"weak": ("nfs",)}),
        (["jiffies", "vfs_rea", "fs_read", "showXisra.0", ""], {}),
        ([], {}),
    ],
)
def test_functions_among_the_symbols(
    monkeypatch: pytest.MonkeyPatch, names: list[str], found: dict[str, tuple[str, ...]]
) -> None:
    monkeypatch.setattr(kallsyms, "_text", lambda: SYMBOLS)
    assert kallsyms.find(names) == found
    assert kallsyms.find(names) == found  # from memory


def test_their_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kallsyms, "_text", lambda: SYMBOLS + b"0000000000000000 t hidden\n")
    assert kallsyms.addresses("show") == [0xFFFFFFFF81000400, 0xFFFFFFFFC0001000]
    assert kallsyms.addresses("hidden") == kallsyms.addresses("jiffies") == []


def test_a_machine_whose_system_calls_have_no_known_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine="pdp11"))
    syscall._numbers.cache_clear()
    with pytest.raises(UnsupportedFeature) as caught:
        syscall._numbers()
    assert str(caught.value) == (
        "this kernel has no known number of bpf(2) on pdp11: add it to pybpf/sys/syscall.py"
    )
