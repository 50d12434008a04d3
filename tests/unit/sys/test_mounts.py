"""What is mounted where, as mountinfo tells it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pybpf.sys import mounts
from pybpf.sys.mounts import Mount

TEXT = r"""21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
22 21 0:5 / {folder}/a\040b rw - fuse.sshfs host: rw
23 21 0:6 / {folder} rw shared:2 master:1 - tmpfs tmpfs rw
24 23 0:7 / {folder} rw - xfs /dev/loop0 rw
"""


@pytest.fixture(autouse=True)
def _mounted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(mounts, "read_text", lambda path: TEXT.strip().format(folder=tmp_path))


def test_all(tmp_path: Path) -> None:
    assert mounts.mounts() == [
        Mount("/", "ext4"),
        Mount(f"{tmp_path}/a b", "fuse.sshfs"),
        Mount(str(tmp_path), "tmpfs"),
        Mount(str(tmp_path), "xfs"),
    ]


def test_of_a_path(tmp_path: Path) -> None:
    for name in ("a b", "a", "a bc"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("a b")
    types = {".": "xfs", "a": "xfs", "a bc": "xfs", "a b": "fuse.sshfs", "link": "fuse.sshfs", "..": "ext4"}
    assert {name: mounts.mount_of(str(tmp_path / name)).type for name in types} == types
    with pytest.raises(FileNotFoundError):
        mounts.mount_of(str(tmp_path / "no"))
