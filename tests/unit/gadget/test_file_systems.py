"""Which file systems are traced: by name, those that are mounted, or a path's."""

from __future__ import annotations

import re

import pytest

from pybpf.errors import UsageError
from pybpf.gadget import FileSystems, file_systems
from pybpf.sys.mounts import Mount

FS = FileSystems(
    """
    -     sync                  magic   shared
    ext4  ext4_sync_file        0xef53  -
    fuse  fuse_fsync            0x6573  -
    nfs   nfs_file_fsync?       0x6969  -
    odd   odd_fsync|plain_sync  0x1234  sync
    """,
    default="ext4",
)


def mounted(monkeypatch: pytest.MonkeyPatch, *types: str) -> None:
    found = [Mount(f"/{number}", type) for number, type in enumerate(types)]
    monkeypatch.setattr(file_systems, "mounts", lambda: found)

    def mount_of(path: str) -> Mount:
        if path == "/no":
            raise FileNotFoundError(2, "")
        return next(mount for mount in found if path.startswith(mount.point))

    monkeypatch.setattr(file_systems, "mount_of", mount_of)


TYPES = {
    "ext4": "ext4",
    "ext3": "ext4",
    "fuse": "fuse",
    "fuse.sshfs": "fuse",
    "fuseblk": "fuse",
    "virtiofs": "fuse",
    "nfs": "nfs",
    "nfs4": "nfs",
}


@pytest.mark.parametrize("type", TYPES)
def test_what_serves_a_type(monkeypatch: pytest.MonkeyPatch, type: str) -> None:
    mounted(monkeypatch, "tmpfs", type)
    assert [FS.parse("auto"), FS.parse("/1/file")] == [TYPES[type]] * 2
    assert FS.resolve("auto") == TYPES[type]


def test_all_that_are_mounted(monkeypatch: pytest.MonkeyPatch) -> None:
    mounted(monkeypatch, "odd", "proc", "nfs4", "ext4", "ext3")
    assert FS.parse("auto") == "ext4,nfs,odd"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("auto", "none of ext4, fuse, nfs, odd is mounted: --filesystem says which to trace"),
        ("/0", "/0 is on tmpfs, which is none of ext4, fuse, nfs, odd"),
        ("/no", "/no: No such file or directory"),
        (
            "ext4,ext5",
            "--filesystem 'ext5' is not known (did you mean 'ext4'?); it is one of ext4, fuse, nfs, odd",
        ),
        ("ext4,", "--filesystem '' is not known; it is one of ext4, fuse, nfs, odd"),
    ],
)
def test_what_is_not_there(monkeypatch: pytest.MonkeyPatch, text: str, message: str) -> None:
    mounted(monkeypatch, "tmpfs")
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        FS.parse(text)


def test_columns() -> None:
    chosen = {"filesystem": FS.parse("odd,ext4,odd")}
    assert FS.sync.text(chosen) == "odd_fsync|plain_sync,ext4_sync_file"
    assert FS.magic.value(chosen) == (0x1234, 0xEF53)
    assert FS.shared.value(chosen) == ("sync",)
    assert FS.shared.value({"filesystem": "ext4"}) == ()
