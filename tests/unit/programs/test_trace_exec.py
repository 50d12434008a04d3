"""trace_exec on the machine."""

from __future__ import annotations

from typing import Any

import pytest

from pybpf.vm import UNREADABLE, Machine


def execute(machine: Machine, record: Any, arguments: bytes, start: int | None = None) -> None:
    """The task becomes another program."""
    address = machine.kernel.user(arguments) if start is None else start
    memory = machine.kernel.new("struct mm_struct", arg_start=address, arg_end=address + len(arguments))
    machine.task.struct(machine.kernel).set(mm=memory)
    texts = {"filename": b"/bin/cat"}
    machine.run("ig_execve", record(machine, "sched_process_exec", texts, pid=101, old_pid=101))


def test_a_program_and_its_arguments(make: Any, record: Any, process: dict[str, Any]) -> None:
    machine = make("trace_exec")
    execute(machine, record, b"cat\0-n\0a b\0")
    assert machine.maps["events"].records() == [
        {"timestamp": 1_000_000_000, **process, "file": b"/bin/cat", "args": b"cat -n a b"}
    ]


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (b"true\0", b"true"),
        (b"", b""),
        (b"printf\0\0x\0", b"printf  x"),
        (b"x" * 510 + b"\0", b"x" * 510),
        (b"x" * 511 + b"\0", b"x" * 511),
        (b"xy\0" * 400, b"xy " * 170 + b"x"),
        (b"\xff\xfe\0\n\0", b"\xff\xfe \n"),
    ],
)
def test_arguments(make: Any, record: Any, arguments: bytes, shown: bytes) -> None:
    machine = make("trace_exec")
    execute(machine, record, arguments)
    (event,) = machine.maps["events"].records()
    assert event["args"] == shown


def test_arguments_that_cannot_be_read(make: Any, record: Any) -> None:
    machine = make("trace_exec")
    execute(machine, record, b"earlier\0")
    execute(machine, record, bytes(9), UNREADABLE)
    assert [event["args"] for event in machine.maps["events"].records()] == [b"earlier", b""]


def test_an_event_is_no_longer_than_its_arguments(make: Any, record: Any) -> None:
    machine = make("trace_exec")
    execute(machine, record, b"true\0")
    (data,) = machine.maps["events"].take()
    assert len(data) in (328 + 6, 336 + 4)  # a perf buffer pads


@pytest.mark.parametrize(("params", "events"), [({"pid": 100}, 1), ({"pid": 7}, 0), ({"comm": b"dog"}, 0)])
def test_filters(make: Any, record: Any, params: dict[str, Any], events: int) -> None:
    machine = make("trace_exec", **params)
    machine.task.struct(machine.kernel).set(mm=machine.kernel.new("struct mm_struct"))
    machine.run("ig_execve", record(machine, "sched_process_exec", {"filename": b"x"}))
    assert len(machine.maps["events"]) == events
