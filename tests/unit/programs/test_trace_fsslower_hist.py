"""trace_fsslower --hist: what it counts; and without it, nothing of it is in the program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pybpf.gadget import histogram
from pybpf.gadget.programs import load
from pybpf.vm import Machine

PROGRAM = load("trace_fsslower")


def test_operations_by_how_long_they_took(make: Callable[..., Machine]) -> None:
    machine = make("trace_fsslower", hist=True, min=10**6)
    kernel = machine.kernel
    file = kernel.new("struct file", **{"f_path.dentry": kernel.new("struct dentry")})
    iocb = kernel.new("struct kiocb", ki_filp=file)
    for took_us in (0, 1, 2, 3, 900, 1100):
        machine.call("ig_fssl_read_e", iocb)
        machine.time_ns += took_us * 1000
        machine.call("ig_fssl_read_x", 1)
    declared: Any = PROGRAM.report({"hist": True})
    made: Any = machine.maps["latency_us"]
    (found,) = histogram.read(declared, made)
    assert (found.name, found.key) == ("latency_us", {"Op": "F_READ"})
    assert [tuple(slot) for slot in found.slots if slot.times] == [
        (0, 0, 1),
        (1, 1, 1),
        (2, 3, 2),
        (512, 1023, 1),
        (1024, 2047, 1),
    ]
    assert "events" not in machine.maps


def test_nothing_of_it_is_there_when_it_is_off(make: Callable[..., Machine]) -> None:
    machine = make("trace_fsslower")
    assert "latency_us" not in machine.maps
    assert PROGRAM.report({}) is None
