"""What `pybpf run` shows, in which form, and what it records, of a workload in a real kernel."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.needs("kernel_memory", "btf"), pytest.mark.usefixtures("tracefs")]

PYBPF = [sys.executable, "-c", "import sys; from pybpf.cli import main; sys.exit(main())"]


class Tracer:
    """A `pybpf run` that has attached."""

    def __init__(self, *words: object, **streams: Any) -> None:
        command = [*PYBPF, "run", *map(str, words)]
        given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **streams}
        self.process = subprocess.Popen(command, **given)
        self.said: list[str] = []
        if self.process.stderr is not None:
            for line in self.process.stderr:
                self.said.append(line.rstrip("\n"))
                if "tracing" in line or "counting" in line:
                    return
            pytest.fail(f"it did not attach: {self.said}")

    def end(self) -> tuple[str, list[str]]:
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=60)
        assert self.process.returncode == 130, err
        return out, [*self.said, *err.splitlines()]


def shell(number: int) -> int:
    """Run `number` programs by a shell; returns its pid."""
    with subprocess.Popen(["sh", "-c", "/bin/true;" * number + ":"]) as process:
        pass
    return process.pid


def test_conditions_go_to_the_kernel() -> None:
    tracer = Tracer(
        "trace_exec",
        "-o",
        "csv",
        "--fields",
        "proc.comm,file",
        "-v",
        "--filter",
        "proc.comm==true,file~^/bin/t",
    )
    shell(3)
    out, said = tracer.end()
    header, *lines = out.splitlines()
    assert header == "proc.comm,file"
    assert lines.count("true,/bin/true") >= 3
    assert set(lines) == {"true,/bin/true"}
    assert "pybpf: proc.comm==true is tested in the kernel: --comm true" in said


def test_what_was_recorded_is_what_was_shown(tmp_path: Path) -> None:
    path = tmp_path / "recorded"
    tracer = Tracer("trace_exec", "-o", "json", "--record", path)
    parent = shell(5)
    shown, _ = tracer.end()
    mine = [json.loads(line) for line in shown.splitlines()]
    assert sum(event["proc"]["parent"]["pid"] == parent for event in mine) == 5
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    replay = [*PYBPF, "replay", str(path), "-o", "json"]
    done = subprocess.run([*nobody, *replay], capture_output=True, text=True, timeout=60, check=False)
    if "Permission denied" in done.stderr or "ModuleNotFoundError" in done.stderr:
        # Where nobody may read this checkout, it is the same without capabilities.
        less = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"]
        done = subprocess.run([*less, *replay], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, shown)


def test_summed_up() -> None:
    tracer = Tracer("trace_exec", "--summary", "--by", "proc.parent.pid", "-o", "csv")
    parent = shell(4)
    out, _ = tracer.end()
    assert out.splitlines()[0] == "proc.parent.pid,count"
    assert f"{parent},4" in out.splitlines()


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    here, there = pty.openpty()
    yield here, there
    os.close(here)


def test_a_live_table_and_its_line_of_status(terminal: tuple[int, int]) -> None:
    here, there = terminal
    tracer = Tracer(
        *("trace_exec", "--sort=-proc.pid", "--top", "2", "--interval", "0.3", "--fields", "proc.pid,file"),
        stdout=there,
        stderr=there,
    )
    os.close(there)
    shown, begun = b"", time.monotonic()
    while not (b"/bin/true" in shown and b"events, " in shown) and time.monotonic() < begun + 60:
        shell(1)
        shown += os.read(here, 1 << 16)
    tracer.process.send_signal(signal.SIGINT)
    try:
        while more := os.read(here, 1 << 16):
            shown += more
    except OSError:  # nobody has the other end any more
        pass
    assert tracer.process.wait(60) == 130
    text = shown.decode()
    assert text.startswith("pybpf: tracing trace_exec … Ctrl-C to end\r\n")
    assert re.search(r"\r\x1b\[K\d\d:\d\d:\d\d  \d+ events, 0 lost, 0 missed", text)
    pages = text.split("\x1b[H\x1b[J")[1:]
    assert pages
    # A page is a table, and what stands below it: nothing is between its lines.
    for page in pages:
        table = page.split("\r\x1b[K")[0].split("pybpf:")[0].splitlines()
        assert re.fullmatch(r" +PID FILE", table[0])
        assert len(table) <= 3
        assert all(re.fullmatch(r" *\d+ \S.*", line) for line in table[1:])


@pytest.mark.needs("kprobes", "ext4")
def test_histograms_of_operations(ext4: Path) -> None:
    path = ext4 / "hist"
    tracer = Tracer("trace_fsslower", "--hist", "-o", "json", "--comm", "dd")
    subprocess.run(["dd", "if=/dev/zero", f"of={path}", "bs=1", "count=100", "status=none"], check=True)
    out, said = tracer.end()
    found = {each["Op"]: each for each in map(json.loads, out.splitlines())}
    assert found["F_WRITE"]["name"] == "latency_us"
    assert sum(slot["count"] for slot in found["F_WRITE"]["slots"]) == 100
    assert sum(slot["count"] for slot in found["F_OPEN"]["slots"]) == 1
    total = sum(slot["count"] for each in found.values() for slot in each["slots"])
    assert said[-1] == f"pybpf: {total} counted"
