"""tools/vm, as far as it needs no guest: kernels by name, the archive that a guest starts from."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[3] / "tools"
sys.path.insert(0, str(TOOLS))
import vm_boot  # noqa: E402
import vm_kernels  # noqa: E402

sys.path.remove(str(TOOLS))


@pytest.mark.parametrize(
    ("name", "release", "called"),
    [
        ("6.1", "6.1.0-56-amd64", True),
        ("6.1", "6.12.117+deb13-amd64", False),
        ("6.1", "6.16.12+deb13-amd64", False),
        ("6.12", "6.12.117+deb13-amd64", True),
        ("6.12.95", "6.12.95+deb12-amd64", True),
        ("6.12.9", "6.12.95+deb12-amd64", False),
        ("6.12.95+deb12-amd64", "6.12.95+deb12-amd64", True),
    ],
)
def test_a_name_is_a_version_or_the_start_of_one(name: str, release: str, called: bool) -> None:
    assert vm_kernels._is_called(release, name) is called


def test_the_newest_release_is_the_last() -> None:
    releases = ["6.12.117+deb13-amd64", "6.12.90+deb12-amd64", "6.12.90+deb12.1-amd64", "6.12.9+deb12-amd64"]
    assert sorted(releases, key=vm_kernels._order) == [releases[3], releases[1], releases[2], releases[0]]


@pytest.mark.parametrize("name", ["", "six", "6", "6.1; reboot", "../6.1", "6.1 6.2"])
def test_what_is_no_version(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(vm_kernels.VmError) as error:
        vm_kernels.fetch(name)
    assert str(error.value) == f"{name!r} is no kernel version; 'tools/vm kernels' lists them"


@pytest.mark.skipif(not shutil.which("cpio") and not shutil.which("busybox"), reason="no cpio is installed")
def test_the_archive_unpacks_to_what_was_packed(tmp_path: Path) -> None:
    files = {"bin": None, "bin/tool": b"#!tool\n", "empty": b"", "five": b"12345"}
    program = ["cpio"] if shutil.which("cpio") else ["busybox", "cpio"]
    archive = vm_boot._cpio(files)
    subprocess.run([*program, "-idm"], input=archive, cwd=tmp_path, check=True, stderr=subprocess.DEVNULL)
    unpacked = {path.relative_to(tmp_path).as_posix(): path for path in tmp_path.rglob("*")}
    assert {name: path.read_bytes() if path.is_file() else None for name, path in unpacked.items()} == files
    assert unpacked["bin/tool"].stat().st_mode & 0o777 == 0o755
