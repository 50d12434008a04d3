"""trace_fsslower shows what was done, all of it and nothing else: compared with what the workload says."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))

from traced import Events, Traced, as_done, trace

from pybpf.gadget.clock import Clock
from pybpf.gadget.programs import Program, load

pytestmark = pytest.mark.needs("kprobes", "kernel_memory", "btf", "ext4")

TOOL = Path(__file__).parents[2] / "tools" / "workload"


@pytest.fixture(scope="module")
def program() -> Program:
    return load("trace_fsslower")


@pytest.fixture
def traced(program: Program) -> Callable[..., contextlib.AbstractContextManager[Traced]]:
    return functools.partial(trace, program)


class Waiting:
    """A workload that has its pid, and waits to be let go."""

    WAIT = "import os, sys; sys.stdin.readline(); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"

    def __init__(self, folder: Path, comm: str, *wrap: str, uid: int = 0, gid: int = 0) -> None:
        def set_ids() -> None:
            # The real ids are what programs see; the effective ones stay root's, for the rest to work.
            os.setresgid(gid, 0, 0)
            os.setresuid(uid, 0, 0)

        folder.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [*wrap, sys.executable, "-c", self.WAIT, str(TOOL), "--json", "--comm", comm, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            preexec_fn=set_ids,
        )
        self.pid = self.process.pid

    def go(self) -> Events:
        out, _ = self.process.communicate(b"\n")
        assert self.process.returncode == 0
        done: Events = json.loads(out)
        return done


@pytest.mark.parametrize("buffer", ["ringbuf", "perf"])
def test_one_of_each(traced: Any, workload: Any, ext4: Path, buffer: str) -> None:
    with traced(buffer=buffer) as found:
        done = workload(ext4)
    assert found.short() == as_done(done)
    assert found.lost == 0


def test_who_and_when(traced: Any, ext4: Path) -> None:
    clock = Clock()
    work = Waiting(ext4, "workload")
    with traced() as found:
        start = clock.wall(0)
        work.go()
        clock.refresh()
        end = clock.wall(0)
    parent = Path("/proc/self/comm").read_text().rstrip("\n")
    for event in found.events:
        proc = event["proc"]
        assert proc["comm"] == "workload"
        assert proc["creds"] == {"uid": 0, "user": "root", "gid": 0, "group": "root"}
        assert proc["parent"] == {"comm": parent, "pid": os.getpid(), "tid": os.getpid()}
        assert proc["mntns_id"] == os.stat("/proc/self/ns/mnt").st_ino
        assert start <= event["timestamp_raw"] <= end
        assert 0 <= event["delta_us"] <= (end - start) // 1000
    times = [event["timestamp_raw"] for event in found.events if event["proc"]["tid"] == work.pid]
    assert times == sorted(times)


@pytest.mark.parametrize("buffer", ["ringbuf", "perf"])
def test_as_fast_as_they_go(traced: Any, workload: Any, ext4: Path, buffer: str) -> None:
    """Each operation is shown or counted as lost, though nobody reads before the end."""
    with traced(buffer=buffer) as found:
        done = workload(ext4, "--count", "10000")
    assert len(done) == 20_001
    assert len(found.events) + found.lost == len(done)
    assert found.lost > 0
    assert not found.short() - as_done(done)


def test_minimum(traced: Any, workload: Any, ext4: Path) -> None:
    """Half an hour is more than any operation takes; see test_filesystems.py for one that surely is slow."""
    with traced(min=1800_000_000) as found:
        workload(ext4)
    assert found.events == []


FILTERS = {
    "pid": lambda pid: {"pid": pid},
    "tid": lambda pid: {"tid": pid},
    "uid": lambda pid: {"uid": 1234},
    "gid": lambda pid: {"gid": 4321},
    "comm": lambda pid: {"comm": b"one"},
    "mntns": lambda pid: {"mntns": os.stat(f"/proc/{pid}/ns/mnt").st_ino},
    "pid and comm": lambda pid: {"pid": pid, "comm": b"one"},
}


@pytest.mark.parametrize("name", FILTERS)
def test_filters(traced: Any, ext4: Path, name: str) -> None:
    """Of two workloads at a time, the one that a filter names is shown, and only that."""
    wrap = ("unshare", "--mount") if name == "mntns" else ()
    one = Waiting(ext4 / "one", "one", *wrap, uid=1234, gid=4321)
    two = Waiting(ext4 / "two", "two")
    if name == "mntns":
        ours = os.stat("/proc/self/ns/mnt").st_ino
        wait_for(lambda: os.stat(f"/proc/{one.pid}/ns/mnt").st_ino != ours)
    with traced(**FILTERS[name](one.pid)) as found:
        done = one.go()
        two.go()
    if name == "tid":
        done = [operation for operation in done if operation["tid"] == one.pid]
    assert found.short() == as_done(done)
    assert done


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize(
    "values", [{"uid": 1234}, {"gid": 1234}, {"comm": b"workloa"}, {"comm": b"workload2"}, {"mntns": 1}]
)
def test_filters_that_nobody_passes(traced: Any, workload: Any, ext4: Path, values: dict[str, Any]) -> None:
    with traced(**values) as found:
        workload(ext4)
    assert found.events == []
