"""profile_cpu on the machine."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from pybpf.vm import Machine


def sample(machine: Machine, user: list[int], kernel: list[int]) -> None:
    machine.user_stack, machine.kernel_stack = user, kernel
    machine.run("ig_sample", machine.kernel.new("struct bpf_perf_event_data"))


def trace(machine: Machine, number: int) -> int | list[int]:
    """Its addresses, or the error instead."""
    if number < 0:
        return number
    data = machine.maps["stacks"].lookup(number.to_bytes(4, "little"))  # type: ignore[attr-defined]
    return [address for (address,) in struct.iter_unpack("<Q", data) if address]


def counts(machine: Machine) -> list[tuple[Any, ...]]:
    """Who, both stacks, how often."""
    found = []
    for key, value in machine.maps["samples"].items():
        comm, pid, *numbers = struct.unpack("<16sIii", key)
        traces = [trace(machine, number) for number in numbers]
        found.append((comm.rstrip(b"\0"), pid, *traces, int.from_bytes(value, "little")))
    return sorted(found, key=repr)


def test_stacks_are_counted(make: Any) -> None:
    machine = make("profile_cpu")
    for _ in range(3):
        sample(machine, [0x1000, 0x2000], [0xFFFF_FFFF_8100_0000])
    sample(machine, [0x1000, 0x3000], [0xFFFF_FFFF_8100_0000])
    kernel = [0xFFFF_FFFF_8100_0000]
    assert counts(machine) == [
        (b"cat", 100, [0x1000, 0x3000], kernel, 1),
        (b"cat", 100, [0x1000, 0x2000], kernel, 3),
    ]


def test_without_a_stack_there_is_its_error(make: Any) -> None:
    machine = make("profile_cpu")
    sample(machine, [], [])
    assert counts(machine) == [(b"cat", 100, -14, -14, 1)]


def test_an_idle_processor_is_not_counted(make: Any) -> None:
    machine = make("profile_cpu")
    machine.task.pid = machine.task.tid = 0
    sample(machine, [], [0xFFFF_FFFF_8100_0000])
    assert counts(machine) == []


@pytest.mark.parametrize(("params", "times"), [({"comm": b"cat"}, 1), ({"pid": 5}, 0)])
def test_filters(make: Any, params: dict[str, Any], times: int) -> None:
    machine = make("profile_cpu", **params)
    sample(machine, [1], [2])
    assert len(machine.maps["samples"]) == times


def test_the_rate_is_a_parameter(make: Any) -> None:
    for params, rate in (({}, 99), ({"frequency": 49}, 49)):
        machine = make("profile_cpu", **params)
        (place,) = machine.spec.programs[0].attach.functions
        assert place.names == (f"cpu-clock/freq={rate}/",)
