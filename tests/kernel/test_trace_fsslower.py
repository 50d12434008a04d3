"""trace_fsslower shows what was done, all of it and nothing else: compared with what the workload says."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pybpf.gadget.clock import Clock
from pybpf.gadget.fields import fields
from pybpf.gadget.output.json import JsonLines
from pybpf.gadget.programs import Program, load
from pybpf.gadget.session import Session

pytestmark = pytest.mark.needs("kprobes", "kernel_memory", "btf", "ext4")

Events = list[dict[str, Any]]
TOOL = Path(__file__).parents[2] / "tools" / "workload"


@pytest.fixture(scope="module")
def program() -> Program:
    return load("trace_fsslower")


class Traced:
    """The events of a session, as JSON has them, when it's over."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.events: Events = []
        self.lost = 0

    def finish(self) -> None:
        lines = JsonLines(fields(self.session.layout, Clock()))
        for batch in self.session.batches(timeout=0):
            self.events += map(json.loads, lines.lines(batch).splitlines())
        self.lost = self.session.lost

    def short(self) -> collections.Counter[tuple[Any, ...]]:
        """What the workload's list has of an event."""
        return collections.Counter(
            (
                event["proc"]["pid"],
                event["proc"]["tid"],
                event["proc"]["comm"],
                event["op"],
                event["file"],
                event["offset"],
                event["size"],
                event["error"],
            )
            for event in self.events
        )


@pytest.fixture
def traced(program: Program) -> Callable[..., contextlib.AbstractContextManager[Traced]]:
    @contextlib.contextmanager
    def start(buffer: str | None = None, **values: Any) -> Iterator[Traced]:
        with Session(program, {"min": 0, **values}, buffer=buffer, strict=True) as session:
            found = Traced(session)
            yield found
            found.finish()

    return start


def as_done(operations: Events) -> collections.Counter[tuple[Any, ...]]:
    """The workload's list; a failed operation's size is what it returned, as is any other's."""
    return collections.Counter(
        tuple({**each, "size": -each["error"] if each["error"] else each["size"]}.values())
        for each in operations
    )


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
    with traced(buffer) as found:
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
    with traced(buffer) as found:
        done = workload(ext4, "--count", "10000")
    assert len(done) == 20_001
    assert len(found.events) + found.lost == len(done)
    assert found.lost > 0
    assert not found.short() - as_done(done)


def test_minimum(traced: Any, workload: Any, ext4: Path) -> None:
    with traced() as everything:
        workload(ext4)
    times = sorted(event["delta_us"] for event in everything.events)
    limit = times[len(times) // 2]
    with traced(min=limit) as found:
        done = workload(ext4)
    assert len(found.events) < len(done)
    assert all(event["delta_us"] >= limit for event in found.events)
    assert not found.short() - as_done(done)
    with traced(min=60_000_000) as found:
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
