"""hist_blockio on the machine."""

from __future__ import annotations

import struct
from typing import Any

from pybpf.vm import Machine

VDA, VDB = 253 << 20, 253 << 20 | 16


def issue(machine: Machine, record: Any, device: int, sector: int) -> None:
    machine.run("ig_issue", record(machine, "block_rq", dev=device, sector=sector, nr_sector=8))


def complete(machine: Machine, record: Any, device: int, sector: int) -> None:
    machine.run("ig_complete", record(machine, "block_rq_completion", dev=device, sector=sector, nr_sector=8))


def counts(machine: Machine) -> dict[tuple[int, ...], int]:
    """By device and slot."""
    items = machine.maps["latency_us"].items()
    return {struct.unpack("<II", key): int.from_bytes(value, "little") for key, value in items}


def test_latency_by_device(make: Any, record: Any) -> None:
    machine = make("hist_blockio")
    for device, sector, took in ((VDA, 8, 900), (VDA, 8, 1000), (VDA, 16, 1999), (VDB, 8, 5_000_000)):
        issue(machine, record, device, sector)
        machine.time_ns += took
        complete(machine, record, device, sector)
    assert counts(machine) == {(VDA, 0): 1, (VDA, 1): 2, (VDB, 13): 1}
    assert len(machine.maps["starts"]) == 0


def test_requests_that_overlap(make: Any, record: Any) -> None:
    machine = make("hist_blockio")
    issue(machine, record, VDA, 8)
    machine.time_ns += 2_000
    issue(machine, record, VDB, 8)
    machine.time_ns += 2_000
    complete(machine, record, VDA, 8)
    complete(machine, record, VDB, 8)
    assert counts(machine) == {(VDA, 3): 1, (VDB, 2): 1}


def test_an_end_without_a_beginning(make: Any, record: Any) -> None:
    machine = make("hist_blockio")
    complete(machine, record, VDA, 8)
    assert counts(machine) == {}
