"""trace_readline on the machine."""

from __future__ import annotations

from typing import Any

import pytest

from pybpf.vm import UNREADABLE


@pytest.mark.parametrize(
    ("typed", "shown"), [(b"ls -l\0", b"ls -l"), (b"\0", b""), (b"x" * 300 + b"\0", b"x" * 255)]
)
def test_a_line(make: Any, typed: bytes, shown: bytes, process: dict[str, Any]) -> None:
    machine = make("trace_readline")
    machine.call("ig_readline", returns=machine.kernel.user(typed))
    assert machine.maps["events"].records() == [
        {
            "timestamp": 1_000_000_000,
            **process,
            "line": shown,
        }
    ]


def test_the_end_of_the_input_is_no_line(make: Any) -> None:
    machine = make("trace_readline")
    machine.call("ig_readline", returns=0)
    assert machine.maps["events"].records() == []


def test_a_line_that_cannot_be_read_is_empty(make: Any) -> None:
    machine = make("trace_readline")
    machine.call("ig_readline", returns=UNREADABLE)
    assert [event["line"] for event in machine.maps["events"].records()] == [b""]


@pytest.mark.parametrize(("params", "events"), [({"uid": 1000}, 1), ({"uid": 0}, 0)])
def test_filters(make: Any, params: dict[str, Any], events: int) -> None:
    machine = make("trace_readline", **params)
    machine.call("ig_readline", returns=machine.kernel.user(b"x\0"))
    assert len(machine.maps["events"]) == events
