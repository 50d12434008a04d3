"""Files that commands write."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from pybpf.cli import files, main


def test_a_new_file_takes_the_place_of_the_old(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")
    kept = path.open("rb")
    files.write(str(path), b"new")
    with kept:
        assert (kept.read(), path.read_bytes()) == (b"old", b"new")
    assert os.listdir(tmp_path) == ["out"]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    victim, link = tmp_path / "victim", tmp_path / "out"
    victim.write_bytes(b"precious")
    link.symlink_to(victim)
    files.write(str(link), b"new")
    assert (victim.read_bytes(), link.read_bytes(), link.is_symlink()) == (b"precious", b"new", False)


def test_a_failure_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")

    def replace(old: str, new: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OSError, match="No space left"):
        files.write(str(path), b"new")
    assert (path.read_bytes(), os.listdir(tmp_path)) == (b"old", ["out"])


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
    reader.start()
    files.write(str(path), b"new")
    reader.join(60)
    assert (read, stat.S_ISFIFO(path.stat().st_mode)) == ([b"new"], True)


def test_commands_write_so(tmp_path: Path) -> None:
    text, victim = tmp_path / "text", tmp_path / "victim"
    text.write_text("r0 = 0\nexit\n")
    for number, words in enumerate(
        [["asm", str(text)], ["btf", "extract", "trace_open", "--from", "reference"]]
    ):
        link = tmp_path / f"out{number}"
        link.symlink_to(victim)
        assert main([*words, "-o", str(link)]) == 0
        assert link.is_file()
        assert not victim.exists()
