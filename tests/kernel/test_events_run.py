"""`pybpf run` says what is lost: as it happens, where, at the end, and by its exit status."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = '''"""Count calls."""
from pybpf import Events, Gadget, Record, kprobe, u64
from pybpf.helpers import current

gadget = Gadget("mine", columns="number")

class Event(Record):
    number: u64

events = Events("events", Event)

@kprobe("ext4_statfs")
def call():
    event = events.reserve()
    if not event:
        return
    event.number = 7
    events.submit(event)
'''
CALLS = 5000


@pytest.mark.needs("kprobes", "btf", "ext4")
@pytest.mark.parametrize("buffer", ["ringbuf", "perf"])
def test_what_is_lost_is_said(tmp_path: Path, ext4: Path, buffer: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(PROGRAM)
    words = ["run", path, "-o", "json", "--buffer", buffer, "--buffer-size", "4K", "--fail-on-loss"]
    command = [sys.executable, "-c", "import sys; from pybpf.cli import main; sys.exit(main())", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "pybpf: tracing mine … Ctrl-C to end\n"
        process.send_signal(signal.SIGSTOP)
        for _ in range(CALLS):
            os.statvfs(ext4)
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 3
    records = [json.loads(line) for line in out.splitlines()]
    shown = [record for record in records if "kind" not in record]
    lost = [record for record in records if "kind" in record]
    count = sum(record["lost"] for record in lost)
    assert {record["kind"] for record in lost} == {"lost"}
    assert shown == [{"number": 7}] * len(shown)
    assert 0 < len(shown) < CALLS
    assert len(shown) + count == CALLS
    assert lost[-1]["position"] == len(shown)
    warning, summary = err.splitlines()
    assert re.fullmatch(
        rf"pybpf: warning: {count} events lost \(CPU \d+: \d+(, CPU \d+: \d+)*\), {count} until now", warning
    )
    assert re.fullmatch(
        rf"pybpf: {len(shown)} events shown, {count} lost \(CPU .*\): a larger --buffer-size has more room",
        summary,
    )
