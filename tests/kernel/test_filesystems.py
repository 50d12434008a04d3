"""trace_fsslower on each file system that the kernel has, on all at once, and on no others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

sys.path.append(str(Path(__file__).parent))

from traced import Traced, as_done, trace

from pybpf.gadget.file_systems import FileSystems
from pybpf.gadget.programs import Program, load
from pybpf.sys import kallsyms, modules

pytestmark = pytest.mark.needs("kprobes", "kernel_memory", "btf")

# What is mounted, and by which of the program's file systems.
MOUNTS = {
    "btrfs": "btrfs",
    "ext4": "ext4",
    "fuse": "fuse",
    "nfs3": "nfs",
    "nfs4": "nfs",
    "ntfs3": "ntfs3",
    "xfs": "xfs",
}
EACH = [pytest.param(name, marks=pytest.mark.needs(driver)) for name, driver in MOUNTS.items()]
OPERATIONS = {"F_OPEN", "F_READ", "F_WRITE", "F_FSYNC", "F_STATFS"}

# Where a file is made and opened by one operation of its folder (atomic_open), no open of the file is seen.
ATOMIC = {"fuse", "nfs4"}


class Everything(NamedTuple):
    """One session on all that is mounted: the folders, what was done in each, and what was shown."""

    folders: dict[str, Path]
    done: dict[str, list[dict[str, Any]]]
    traced: Traced


@pytest.fixture(scope="module")
def program() -> Program:
    return load("trace_fsslower")


@pytest.fixture(scope="module")
def everything(
    program: Program,
    workload: Callable[..., Any],
    lacks: Callable[[str], str],
    file_system: Callable[[str], Path],
) -> Iterator[Everything]:
    folders = {name: file_system(name) for name, driver in MOUNTS.items() if not lacks(driver)}
    with trace(program, filesystem="auto") as traced:
        done = {name: workload(folder, "--comm", name) for name, folder in folders.items()}
    return Everything(folders, done, traced)


@pytest.mark.parametrize("name", EACH)
def test_each_operation(everything: Everything, name: str) -> None:
    done = everything.done[name]
    if name in ATOMIC:  # all but the thread's opens make the file
        done = [each for each in done if each["op"] != "F_OPEN" or each["pid"] != each["tid"]]
    expected = as_done(done)
    shown = everything.traced.short()
    assert {each: count for each, count in shown.items() if each[2] == name} == expected
    assert {operation[3] for operation in expected} == OPERATIONS


def test_all_that_are_mounted_at_once(everything: Everything) -> None:
    """Each of the ten programs goes to all of them, once."""
    traced = everything.traced
    assert (traced.warnings, traced.lost) == ([], 0)
    assert len(traced.attached) == len(set(traced.attached))


def test_what_auto_and_paths_stand_for(everything: Everything, program: Program) -> None:
    (fs,) = [param for param in program.declarations.params if isinstance(param, FileSystems)]
    names = {name: fs.parse(str(folder / "foo")) for name, folder in everything.folders.items()}
    assert names == {name: MOUNTS[name] for name in everything.folders}
    assert set(fs.parse("auto").split(",")) >= set(names.values())


@pytest.mark.needs("ext4", "xfs", "btrfs")
def test_only_those_that_are_named(everything: Everything, program: Program, workload: Any) -> None:
    done = {}
    with trace(program, filesystem="xfs,ext4") as traced:
        for name in ("btrfs", "ext4", "xfs"):
            done[name] = as_done(workload(everything.folders[name], "--comm", name))
    assert traced.short() == done["ext4"] + done["xfs"]


@pytest.mark.needs("ext4")
def test_one_that_is_not_there(everything: Everything, program: Program, workload: Any) -> None:
    """The others are traced; a warning for each function says which is not, and why."""
    with trace(program, filesystem="ntfs3,ext4", strict=False) as traced:
        done = workload(everything.folders["ext4"])
    assert traced.short() == as_done(done)
    there = modules.available("ntfs3")
    missing = [] if there else ["file_open", "file_read_iter", "file_write_iter", "statfs"]
    if not there and not kallsyms.find(["generic_file_fsync"]):
        missing.insert(0, "file_fsync")
    why = "is not traced: this kernel has no such function"
    assert sorted(text.partition(why)[:2] for text in traced.warnings) == [
        (f"ntfs_{name} ", why) for name in missing
    ]


@pytest.mark.needs("minix")
@pytest.mark.parametrize("filesystem", ["ntfs3", "ext4,ntfs3"])
@pytest.mark.parametrize("ours", [False, True], ids=["another's", "own"])
def test_a_function_that_others_share(
    file_system: Callable[[str], Path], tmp_path: Path, filesystem: str, ours: bool
) -> None:
    """minix has the fsync that ntfs3 has on some kernels: shown only when the magic number is minix's."""
    if not kallsyms.find(["generic_file_fsync"]):
        pytest.skip("this kernel has no generic_file_fsync")  # 7.3
    text = Path(load("trace_fsslower").declarations.file).read_text()
    text = text.replace("ntfs_file_fsync|generic_file_fsync", "generic_file_fsync")
    if ours:
        text = text.replace("0x7366746e", "0x138f")
    file = tmp_path / "trace_fsslower.py"
    file.write_text(text)
    with trace(load(str(file)), filesystem=filesystem, strict=False, pid=os.getpid()) as traced:
        fd = os.open(file_system("minix") / "foo", os.O_CREAT | os.O_WRONLY)
        os.fsync(fd)
        os.close(fd)
    assert [event["op"] for event in traced.events] == ["F_FSYNC"] * ours


@pytest.mark.needs("fuse")
def test_the_one_operation_that_is_slow(everything: Everything, program: Program, workload: Any) -> None:
    """Whoever asks a server that is stopped waits; how long all else takes is not known on a busy machine."""
    folder = everything.folders["fuse"]
    (server,) = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and is_server(pid, folder)]
    ask = f"import os; os.statvfs({str(folder)!r})"
    with trace(program, filesystem="fuse", min=100_000) as traced:
        os.kill(server, signal.SIGSTOP)
        try:
            waiting = subprocess.Popen([sys.executable, "-c", ask])
            while not in_statfs(waiting.pid):
                time.sleep(0.01)
            time.sleep(0.1)
        finally:
            os.kill(server, signal.SIGCONT)
        assert waiting.wait() == 0
    (event,) = [event for event in traced.events if event["proc"]["pid"] == waiting.pid]
    assert event["op"] == "F_STATFS"
    assert all(event["delta_us"] >= 100_000 for event in traced.events)


def is_server(pid: str, folder: Path) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except FileNotFoundError:
        return False
    return words[0] == b"bindfs" and os.fsencode(folder) in words


def in_statfs(pid: int) -> bool:
    """Does a process wait in statfs(2)? (The number is x86-64's.)"""
    return Path(f"/proc/{pid}/syscall").read_text().startswith("137 ")
