"""A link and what its owner can ask of it: pinned, unpinned, told apart; without a kernel."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from pybpf import features
from pybpf.errors import BpfError, LoadError, SyscallError
from pybpf.features import Feature
from pybpf.link import Link, LinkInfo, link
from pybpf.sys import Fd, bpffs
from pybpf.sys.mounts import Mount
from pybpf.uapi import bpf


def fd(what: str = "link") -> Fd:
    return Fd(os.open("/dev/null", os.O_RDONLY), what)


@pytest.fixture
def pins(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Pins are files; one called `full` can't be made."""
    made: list[str] = []

    def command(number: int, pathname: bytes, bpf_fd: int) -> int:
        path = os.fsdecode(pathname[:-1])
        assert number == bpf.BPF_OBJ_PIN
        if path.endswith(".bad"):
            raise SyscallError("bpf(BPF_OBJ_PIN)", errno.EPERM)
        if os.path.exists(path):
            raise SyscallError("bpf(BPF_OBJ_PIN)", errno.EEXIST)
        try:
            Path(path).touch(exist_ok=False)
        except OSError as error:
            raise SyscallError("bpf(BPF_OBJ_PIN)", error.errno or 0) from None
        made.append(path)
        return 0

    monkeypatch.setattr(bpffs, "command", command)
    return made


def test_one_link_is_a_file_and_several_a_folder(pins: list[str], tmp_path: Path) -> None:
    path = str(tmp_path / "pin")
    for links, files in (([fd()], [path]), ([fd(), fd()], [f"{path}/0", f"{path}/1"])):
        with Link("tracepoint", "a/b", links, cookie=3) as attached:
            attached.pin(path)
            assert pins == files
            with pytest.raises(LoadError) as caught:
                attached.pin(path)
            assert str(caught.value) == f"tracepoint a/b is pinned already, at {path}"
        assert repr(attached) == "<tracepoint a/b: attached>"
        attached.unpin()
        assert repr(attached) == "<tracepoint a/b: detached>"
        assert not os.path.exists(path)
        attached.unpin()
        pins.clear()


def test_a_pin_that_fails_leaves_nothing(pins: list[str], tmp_path: Path) -> None:
    path = str(tmp_path / "pin")
    with Link("xdp", "lo", [fd(), fd()]) as attached:
        os.mkdir(path)
        with pytest.raises(SyscallError) as caught:
            attached.pin(path)
        assert str(caught.value) == f"mkdir: File exists (EEXIST): {path}: there is such a file already"
        attached.unpin()
        assert os.path.isdir(path)


@pytest.mark.parametrize(
    ("name", "system", "why"),
    [
        ("no/pin", "bpf", "{0}/no/pin: there is no folder {0}/no"),
        (
            "a.bad",
            "ext4",
            "{0}/a.bad: {0} is on no BPF file system: mount -t bpf bpf /sys/fs/bpf, and pin in there",
        ),
        ("a.bad", "bpf", "{0}/a.bad: a name with a dot can't be pinned"),
        ("there", "bpf", "{0}/there: there is such a file already"),
    ],
)
def test_why_it_is_not_pinned(
    monkeypatch: pytest.MonkeyPatch, pins: list[str], tmp_path: Path, name: str, system: str, why: str
) -> None:
    monkeypatch.setattr(bpffs, "mount_of", lambda folder: Mount("/", system))
    (tmp_path / "there").touch()
    with Link("xdp", "lo", [fd()]) as attached, pytest.raises(SyscallError) as caught:
        attached.pin(str(tmp_path / name))
    assert str(caught.value).endswith("): " + why.format(tmp_path))


@pytest.mark.parametrize(
    ("kind", "there", "text"),
    [
        ("kprobe", "no", "this kernel has no bpf_link on perf events (since Linux 5.15): no"),
        ("kprobe", "", "kprobe f has no bpf_link, which could be pinned: it lasts as long as its process"),
        (
            "socket_filter",
            "no",
            "socket_filter f has no bpf_link, which could be pinned: it lasts as long as its process",
        ),
    ],
)
def test_without_a_link(monkeypatch: pytest.MonkeyPatch, kind: str, there: str, text: str) -> None:
    monkeypatch.setattr(features, "perf_link", lambda: Feature("bpf_link on perf events", "5.15", there))
    with Link(kind, "f", [], [fd()], 9) as attached:
        assert attached.info() == LinkInfo(kind, "f", 0, 0, 9, "")
        for ask in (lambda: attached.pin("/x"), attached.fileno):
            with pytest.raises(BpfError) as caught:
                ask()
            assert str(caught.value) == text


def test_what_the_kernel_says_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def info(number: int, kind: str, *names: str) -> tuple[Any, ...]:
        assert (kind, names) == ("link", ("id", "prog_id"))
        return 5, 6

    monkeypatch.setattr(link, "object_info", info)
    with Link("xdp", "lo", [fd()]) as attached:
        assert attached.info() == LinkInfo("xdp", "lo", 5, 6, 0, "")
