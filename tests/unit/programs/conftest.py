"""What tests of the programs share: the machine that they run on, and the task that runs them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pybpf import btf
from pybpf.spec import Target
from pybpf.testing import probes
from pybpf.vm import Machine, Task

__all__ = ["Make", "Record", "make", "probes", "record"]

PROGRAMS = Path(__file__).parents[3] / "programs"
TARGET = Target("reference", btf.reference())

Make = Callable[..., Machine]
Record = Callable[..., bytes]


@pytest.fixture(
    params=[("ringbuf", False), ("perf", False), ("ringbuf", True)], ids=["ringbuf", "perf", "portable"]
)
def make(request: pytest.FixtureRequest, probes: Make) -> Make:
    """A machine with a program by its name, in each way to lower it; a task of `cat`'s runs there."""
    buffer, portable = request.param

    def build(name: str, **params: Any) -> Machine:
        target = TARGET._replace(portable=portable)
        machine = probes(PROGRAMS / f"{name}.py", target=target, buffer=buffer, **params)
        parent = Task(pid=1, comm="init")
        machine.task = Task(pid=100, tid=101, uid=1000, gid=2000, comm="cat", parent=parent)
        return machine

    return build


@pytest.fixture
def record() -> Record:
    """The record of a tracepoint, as bytes: its struct's fields, and `text` members behind it."""

    def build(machine: Machine, name: str, texts: dict[str, bytes] | None = None, **fields: Any) -> bytes:
        struct = f"struct trace_event_raw_{name}"
        size = machine.kernel.btf[struct].offset_of("__data")
        behind = b""
        for member, text in (texts or {}).items():
            fields[f"__data_loc_{member}"] = len(text) + 1 << 16 | size + len(behind)
            behind += text + b"\0"
        made = machine.kernel.new(struct, **fields)
        return bytes(machine.memory.read(made.address, size)) + behind

    return build


@pytest.fixture
def process() -> dict[str, Any]:
    """The fields of an event that say that it's the task's of `make`."""
    return {
        "proc.comm": b"cat",
        "proc.pid": 100,
        "proc.tid": 101,
        "proc.creds.uid": 1000,
        "proc.creds.gid": 2000,
        "proc.parent.comm": b"init",
        "proc.parent.pid": 1,
        "proc.parent.tid": 1,
        "proc.mntns_id": 0xF000_0000,
    }
