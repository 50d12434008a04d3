"""The tools for those who test their probes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pybpf.errors import UsageError
from pybpf.testing import Coverage, machine

PROBE = """
from pybpf.dsl import HashMap, kprobe, u32, u64

seen = HashMap("seen", u32, u64, max_entries=8)

@kprobe("do_something")
def probe(number: u32):
    if number == 7:
        return
    seen.update(number, 1)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a_probe.py"
    path.write_text(PROBE)
    return path


def test_a_program_by_its_file(file: Path) -> None:
    made = machine(str(file))
    made.call("probe", 7)
    made.call("probe", 1 << 32 | 9)
    assert dict(made.maps["seen"].items()) == {b"\t\0\0\0": b"\1" + bytes(7)}
    assert machine(file).maps["seen"] is not made.maps["seen"]


def test_a_file_that_changed_is_read_again(file: Path) -> None:
    machine(file)
    file.write_text(PROBE.replace("== 7", "!= 7"))
    made = machine(file)
    made.call("probe", 7)
    assert len(made.maps["seen"]) == 1


def test_what_is_no_program(tmp_path: Path) -> None:
    (tmp_path / "probe.txt").write_text("")
    with pytest.raises(UsageError, match=r"probe.txt is no Python file$"):
        machine(tmp_path / "probe.txt")


def test_coverage_says_what_never_ran(file: Path) -> None:
    made = machine(file)
    with Coverage() as coverage:
        made.call("probe", 8)
    (jump,) = coverage.missing(made, "probe")
    assert jump.startswith("instruction 1: if ")
    assert jump.endswith(": went one way only")
    with Coverage() as other:
        made.call("probe", 7)
    missing = other.missing(made, "probe")
    assert [line for line in missing if not line.endswith(": never ran")] == []
    assert "call bpf_map_update_elem#2: never ran" in [line.partition(": ")[2] for line in missing]
    with coverage:
        made.call("probe", 7)
    assert coverage.missing(made, "probe") == []
