"""`pybpf run` from its start to its end, as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

needs_tracing = pytest.mark.needs("kprobes", "kernel_memory", "btf", "ext4")
PYBPF = [sys.executable, "-c", "import sys; from pybpf.cli import main; sys.exit(main())"]
SUMMARY = "pybpf: {} events shown, 0 lost\n"
TRACING = "pybpf: tracing trace_fsslower … Ctrl-C to end\n"


def pybpf(*words: object, **keywords: Any) -> tuple[int, str, str]:
    """A command that ends by itself: status, standard output, standard error."""
    command = [*PYBPF, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **keywords)
    return done.returncode, done.stdout, done.stderr


class Tracer:
    """A `pybpf run` that has attached."""

    def __init__(self, *words: object) -> None:
        command = [*PYBPF, "run", *map(str, words)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.said = ""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said += line
            if "tracing" in line:
                break
        else:
            pytest.fail(f"it did not attach: {self.said}")

    def end(self, number: int | None = signal.SIGINT) -> tuple[int, str, str]:
        if number is not None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, self.said + err


@pytest.fixture(autouse=True)
def _no_hang() -> Iterator[None]:
    """A test that waits for a line that never comes ends all the same."""
    timer = threading.Timer(300, os._exit, [3])
    timer.start()
    yield
    timer.cancel()


@needs_tracing
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it(workload: Any, ext4: Path, number: int, status: int) -> None:
    tracer = Tracer("trace_fsslower", "--min", 0)
    done = workload(ext4)
    ended, out, err = tracer.end(number)
    assert (ended, err) == (status, TRACING + SUMMARY.format(len(done)))
    header, *lines = out.splitlines()
    assert header.split() == ["CONTAINER", "COMM", "PID", "TID", "DELTA_US", "OFFSET", "SIZE", "FILE", "OP"]
    shown = [line.split() for line in lines]
    assert sorted((fields[0], fields[1], fields[2], fields[-1]) for fields in shown) == sorted(
        (each["comm"], str(each["pid"]), str(each["tid"]), each["op"]) for each in done
    )


@needs_tracing
def test_json_as_it_happens(workload: Any, ext4: Path) -> None:
    tracer = Tracer("trace_fsslower", "--min", "0", "-o", "json", "--max-events", "4")
    workload(ext4)
    status, out, err = tracer.end(None)
    assert (status, err) == (0, TRACING + "pybpf: 4 events shown, 0 lost\n")
    shown = [json.loads(line) for line in out.splitlines()]
    assert [event["op"] for event in shown] == ["F_OPEN", "F_WRITE", "F_FSYNC", "F_READ"]
    assert list(shown[0]) == sorted(shown[0])


@needs_tracing
def test_timeout_and_verbose() -> None:
    status, out, err = pybpf("run", "trace_fsslower", "--timeout", "0.1", "-v", "-o", "json")
    names = "ext4_file_open, ext4_file_read_iter, ext4_file_write_iter, ext4_sync_file, ext4_statfs"
    assert (status, out) == (0, "")
    # What 5.10 still wants of who looks up a map.
    err = err.replace("pybpf: gave up all capabilities but CAP_BPF\n", "")
    said = [line for line in err.splitlines(keepends=True) if " serves " not in line]
    assert "".join(said) == f"pybpf: attached to {names}\n{TRACING}{SUMMARY.format(0)}"
    assert f" serves {names}" in err


@needs_tracing
def test_a_closed_pipe_ends_it_quietly(workload: Any, ext4: Path) -> None:
    tracer = Tracer("trace_fsslower", "--min", "0")
    assert tracer.process.stdout is not None
    tracer.process.stdout.close()
    workload(ext4)
    assert tracer.process.wait(60) == 0
    assert tracer.process.stderr is not None
    assert tracer.process.stderr.read() == ""
    tracer.process.stderr.close()


@needs_tracing
def test_a_killed_one_leaves_nothing(workload: Any, ext4: Path) -> None:
    """The session's own check sees what is left in the kernel."""
    tracer = Tracer("trace_fsslower", "--min", "0")
    workload(ext4)
    assert tracer.end(signal.SIGKILL)[0] == -signal.SIGKILL


PROBES = '''"""Count calls."""
from pybpf import Events, Gadget, Record, kprobe, kretprobe, u64

gadget = Gadget("mine", columns="number")

class Event(Record):
    number: u64

events = Events("events", Event)

@kprobe("ext4_statfs")
def there():
    event = events.reserve()
    if not event:
        return
    event.number = 7
    events.submit(event)

@kprobe("ext4_statsf")
def not_there():
    pass
'''


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(PROBES)
    return path


@needs_tracing
def test_one_function_is_missing(ext4: Path, mine: Path) -> None:
    why = "ext4_statsf is not traced: this kernel has no such function (did you mean ext4_statfs"
    tracer = Tracer(mine)
    os.statvfs(ext4)
    status, out, err = tracer.end()
    assert (status, out) == (130, "    NUMBER\n         7\n")
    warning, tracing, summary = err.splitlines()
    assert warning.startswith(f"pybpf: warning: {why}")
    assert (tracing, summary) == ("pybpf: tracing mine … Ctrl-C to end", "pybpf: 1 events shown, 0 lost")


@needs_tracing
def test_one_function_is_missing_when_strict(mine: Path) -> None:
    status, out, err = pybpf("run", mine, "--strict")
    assert (status, out) == (1, "")
    assert err.startswith(
        "pybpf: error: not all of the places can be traced: ext4_statsf: this kernel has no"
    )
    assert err.count("\n") == 1


@needs_tracing
def test_a_module_that_is_not_loaded(mine: Path) -> None:
    """Of a file system that no test mounts."""
    mine.write_text(PROBES.replace("ext4_statfs", "jfs_statfs").replace("ext4_statsf", "jfs_fsync"))
    assert pybpf("run", mine) == (
        1,
        "",
        "pybpf: error: none of the places can be traced: jfs_statfs, jfs_fsync:"
        " module jfs is not loaded: modprobe jfs\n",
    )


@pytest.mark.skipif(Path("/sys/bus/event_source/devices/kprobe").exists(), reason="this kernel has kprobes")
def test_a_kernel_without_kprobes() -> None:
    assert pybpf("run", "trace_fsslower") == (
        1,
        "",
        "pybpf: error: this kernel has no kprobes: it was built without CONFIG_KPROBE_EVENTS; run a kernel"
        " that has it, as distributions' do\n",
    )


@pytest.mark.needs("btf")
def test_a_kernel_without_btf(tmp_path: Path) -> None:
    """Its folder is hidden in a mount namespace."""
    hide = f'mount --bind {tmp_path} /sys/kernel/btf && exec "$0" "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", hide, *PYBPF, "run", "trace_fsslower"],
        env={**os.environ, "XDG_CACHE_HOME": "/dev/null"},  # what is kept needs none
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("pybpf: error: this kernel has no BTF")
    assert done.stderr.count("\n") == 1


@needs_tracing
def test_without_privilege() -> None:
    done = subprocess.run(
        ["setpriv", "--inh-caps=-all", "--bounding-set=-all", *PYBPF, "run", "trace_fsslower"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "CAP_BPF" in done.stderr
    assert done.stderr.startswith("pybpf: error: ")
    assert done.stderr.count("\n") == 1


def test_inspect_for_this_host() -> None:
    status, out, err = pybpf("inspect", "trace_fsslower", "--target", "host", "--show", "maps")
    assert (status, err) == (0, "")
    assert ".rodata" not in out
