"""Each program on a real workload: it shows what was done, and says what it didn't."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import mmap
import os
import pty
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pybpf.gadget.clock import Clock
from pybpf.gadget.fields import fields
from pybpf.gadget.output.json import JsonLines
from pybpf.gadget.programs import load
from pybpf.gadget.report import Report
from pybpf.gadget.session import Session

pytestmark = [pytest.mark.needs("kernel_memory", "btf"), pytest.mark.usefixtures("tracefs")]

Events = list[dict[str, Any]]


def shown(name: str, work: Callable[[], object], **values: Any) -> Events:
    """What a program shows of a piece of work."""
    with Session(load(name), values) as session:
        work()
        lines = JsonLines(fields(session.layout, Clock()))
        found: Events = []
        for batch in session.batches(timeout=0):
            found += map(json.loads, lines.lines(batch).splitlines())
        assert session.lost == 0
    return found


class TestExec:
    def test_arguments(self) -> None:
        start = time.time_ns()
        events = shown(
            "trace_exec",
            lambda: [
                subprocess.run(["/bin/true", "-n", "a b", ""], check=True),
                subprocess.run(["sh", "-c", "exec /bin/true $0", "x" * 1000], check=True),
            ],
        )
        mine = [event for event in events if event["proc"]["parent"]["pid"] == os.getpid()]
        assert [(event["proc"]["comm"], event["file"], event["args"]) for event in mine] == [
            ("true", "/bin/true", "/bin/true -n a b "),
            ("sh", mine[1]["file"], ("sh -c exec /bin/true $0 " + "x" * 1000)[:511]),
            ("true", "/bin/true", ("/bin/true " + "x" * 1000)[:511]),
        ]
        assert mine[1]["file"].endswith("/sh")
        assert mine[1]["proc"]["pid"] == mine[2]["proc"]["pid"]
        second = 10**9
        assert all(start - second < event["timestamp_raw"] < time.time_ns() + second for event in mine)

    def test_what_fails_is_no_new_program(self, tmp_path: Path) -> None:
        def fail() -> None:
            with pytest.raises(FileNotFoundError):
                subprocess.run([tmp_path / "no"], check=False)

        events = shown("trace_exec", fail)
        assert [event for event in events if event["proc"]["parent"]["pid"] == os.getpid()] == []


class TestOpen:
    def work(self, folder: Path) -> None:
        os.chdir(folder)
        os.close(os.open("there", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640))
        os.close(os.open("there", os.O_WRONLY | os.O_APPEND | os.O_TRUNC))
        for path in ("not there", "there/no"):
            with pytest.raises(OSError, match=path):
                os.open(path, os.O_RDONLY)
        os.close(os.open(folder, os.O_DIRECTORY | os.O_PATH))

    def shown(self, folder: Path, **values: Any) -> Events:
        """From the first file of the work on, without those that are opened to take the probes off."""
        events = shown("trace_open", lambda: self.work(folder), pid=os.getpid(), **values)
        events = list(itertools.dropwhile(lambda event: not event["file"].endswith("there"), events))
        return [event for event in events if not event["file"].startswith(("/sys/", "/proc/"))]

    @pytest.fixture(autouse=True)
    def _stay_here(self) -> Any:
        before = os.getcwd()
        yield
        os.chdir(before)

    def test_flags_and_errors(self, tmp_path: Path) -> None:
        events = self.shown(tmp_path)
        assert [(event["file"], event["flags"], event["error"], event["mode"]) for event in events] == [
            ("there", "O_RDWR|O_CREAT|O_EXCL|O_CLOEXEC", 0, 0o640),
            ("there", "O_WRONLY|O_TRUNC|O_APPEND|O_CLOEXEC", 0, 0),
            ("not there", "O_CLOEXEC", errno.ENOENT, 0),
            ("there/no", "O_CLOEXEC", errno.ENOTDIR, 0),
            (str(tmp_path), "O_DIRECTORY|O_CLOEXEC|O_PATH", 0, 0),
        ]
        assert [event["fd"] >= 0 for event in events] == [True, True, False, False, True]

    def test_only_failures(self, tmp_path: Path) -> None:
        events = self.shown(tmp_path, failed=True)
        assert [event["file"] for event in events] == ["not there", "there/no"]

    def test_whole_paths(self, tmp_path: Path) -> None:
        events = self.shown(tmp_path, full_path=True)
        path = str(tmp_path / "there")
        assert [event["file"] for event in events] == [path, path, "not there", "there/no", str(tmp_path)]


class TestTcpConnect:
    @pytest.mark.parametrize(
        ("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")], ids=["IPv4", "IPv6"]
    )
    def test_connections(self, family: socket.AddressFamily, address: str) -> None:
        ports = []

        def connect() -> None:
            with socket.socket(family) as server, socket.socket(family) as client:
                server.bind((address, 0))
                server.listen()
                client.connect(server.getsockname())
                ports.append((client.getsockname()[1], server.getsockname()[1]))
            with socket.socket(family) as client, pytest.raises(ConnectionRefusedError):
                client.connect((address, ports[0][1]))

        start = time.monotonic()
        events = shown("trace_tcpconnect", connect, pid=os.getpid())
        assert [(event["source"], event["target"], event["dport"], event["error"]) for event in events] == [
            (address, address, ports[0][1], 0),
            (address, address, ports[0][1], errno.ECONNREFUSED),
        ]
        assert events[0]["sport"] == ports[0][0]
        assert all(event["delta_us"] < (time.monotonic() - start) * 1e6 for event in events)


def test_readline() -> None:
    def type_in() -> None:
        child, terminal = pty.fork()
        if child == 0:
            os.execv("/bin/bash", ["bash", "--norc", "--noprofile", "-i"])
        for line in (b"echo one two\n", b"\n", b"exit\n"):
            os.write(terminal, line)
        _, status = os.waitpid(child, 0)
        os.close(terminal)
        assert status == 0

    events = shown("trace_readline", type_in, comm=b"bash")
    mine = [event for event in events if event["proc"]["parent"]["pid"] == os.getpid()]
    assert [event["line"] for event in mine] == ["echo one two", "", "exit"]


def counted(name: str, work: Callable[[], object], **values: Any) -> list[dict[str, Any]]:
    """What a program counts of a piece of work, as JSON has it."""
    with Report(load(name), values) as report:
        work()
        report.wait(timeout=0)
        found = [json.loads(line) for line in report.lines("json")]
        assert report.full == ""
    return found


@pytest.fixture
def loop_device(tmp_path: Path) -> Iterator[str]:
    """A block device of 4 MiB in memory."""
    image = Path(f"/dev/shm/pybpf-loop-{os.getpid()}")
    image.write_bytes(bytes(4 << 20))
    try:
        device = subprocess.check_output(["losetup", "--find", "--show", image], text=True).strip()
        try:
            yield device
        finally:
            subprocess.run(["losetup", "--detach", device], check=True)
    finally:
        image.unlink()


@pytest.mark.needs("loop")
def test_block_requests(loop_device: str) -> None:
    def read() -> None:
        file = os.open(loop_device, os.O_RDONLY | os.O_DIRECT)
        page = mmap.mmap(-1, 4096)  # aligned, as O_DIRECT wants it
        for number in range(100):
            assert os.preadv(file, [page], number * 8192) == 4096
        page.close()
        os.close(file)

    start = time.monotonic()
    events = counted("hist_blockio", read)
    (found,) = [event for event in events if event["device"] == os.path.basename(loop_device)]
    assert found["name"] == "latency_us"
    assert sum(slot["count"] for slot in found["slots"]) >= 100  # udev may look at it too
    longest = (time.monotonic() - start) * 1e6
    assert all(slot["from"] <= min(slot["to"], longest) for slot in found["slots"])


def stacks_of(events: Events) -> list[list[str]]:
    return [event["stack"] for event in events]


class TestProfile:
    """How many samples there are depends on the load, what functions are named on how libraries are built."""

    def work(self) -> None:
        end = time.process_time() + 0.3
        while time.process_time() < end:
            hashlib.sha512(bytes(1 << 20))

    def test_samples_of_this_process(self) -> None:
        start = time.monotonic()
        events = counted("profile_cpu", self.work, pid=os.getpid(), frequency=500)
        most = 500 * (time.monotonic() - start) + (os.cpu_count() or 1)
        comm = Path("/proc/self/comm").read_text().strip()
        assert {stack[0] for stack in stacks_of(events)} == {comm}
        assert 0 < sum(event["count"] for event in events) <= most
        # Libraries without frame pointers have garbage for outer frames. Where it runs is certain.
        user = [[frame for frame in stack if not frame.endswith("_[k]")] for stack in stacks_of(events)]
        innermost = [frames[-1] for frames in user if len(frames) > 1]
        assert innermost
        assert "[unknown]" not in innermost

    def test_the_kernel_too(self) -> None:
        def work() -> None:
            end = time.process_time() + 0.3
            with open("/dev/zero", "rb", buffering=0) as file:
                while time.process_time() < end:
                    file.read(1 << 20)

        events = counted("profile_cpu", work, pid=os.getpid(), frequency=500)
        frames = {frame for stack in stacks_of(events) for frame in stack}
        assert frames & {"read_zero_[k]", "read_iter_zero_[k]", "rep_stos_alternative_[k]", "clear_user_[k]"}

    def test_a_process_that_has_ended_has_names(self, tmp_path: Path) -> None:
        """It was looked at while it ran."""
        program = shutil.copy("/bin/bash", tmp_path / "pybpf-spin")
        with Report(load("profile_cpu"), {"frequency": 200, "comm": b"pybpf-spin"}) as report:
            process = subprocess.Popen([program, "-c", "while :; do :; done"])
            while not named(report):
                time.sleep(0.1)
            process.kill()
            process.wait()
            assert named(report)


def named(report: Report) -> bool:
    """Is one of bash's own functions among what was sampled?"""
    found = stacks_of([json.loads(line) for line in report.lines("json")])
    return any("execute_command_internal" in stack for stack in found)


FULL = '''
"""Keep a start of each system call, in a map that is too small."""
from pybpf import Events, Gadget, HashMap, Param, Record, raw_tracepoint, u32, u64
from pybpf.helpers import current, ktime_get_ns

gadget = Gadget("full", columns="at")
me = Param("me", u32, 0, "this process")

class Event(Record):
    at: u64

few = HashMap("few", u64, u64, max_entries=2)
roomy = HashMap("roomy", u32, u64, max_entries=64)
events = Events("events", Event)

@raw_tracepoint("sys_enter")
def probe():
    if current.pid == me:
        few[ktime_get_ns()] = 1
        roomy[1] = 1
        event = events.reserve()
        if event:
            event.at = 1
            events.submit(event)
'''


def test_a_map_that_is_full_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "full.py"
    path.write_text(FULL)
    with Session(load(str(path)), {"me": os.getpid()}) as session:
        for _ in range(5):
            os.getppid()
        assert list(session.dropped) == ["few"]
        assert session.dropped["few"] >= 3
