"""The tables of data and maps in the reference of the language: all that they show can be lowered."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import pybpf.dsl
from pybpf import btf
from pybpf.dsl import lower
from pybpf.spec import Target

TEXT = (Path(pybpf.dsl.__file__).parent / "README.md").read_text()
SOURCE = """
from pybpf.uapi.bpf import BPF_NOEXIST

class Stat(Record):
    hits: u64
    most: u64

class Prefix(Record):
    bits: u32
    address: Array[u8, 4]

class Point(Record):
    x: i32
    y: i32

@subprogram
def visit(key: u64, value: u64) -> u64:
    return 0

@subprogram
def visit_index(index: u32, value: u64) -> u64:
    return 0

@subprogram
def take(stat: Stat) -> u64:
    return 0

{declared}

@kprobe("f")
def probe(a: u64, b: u64):
    p, q, row = Point(), Point(), Array[u64, 8]()
    data, name = Array[u8, 8](), CString[16]()
    {shown}
"""


def _rows(heading):
    """(declarations, what is shown) of each row of the table under a heading."""
    table = TEXT.partition(f"## {heading}")[2].partition("```")[0]
    for line in table.splitlines():
        cells = line.split(" | ")
        if line.startswith("| ") and "`" in cells[1]:
            yield [re.findall(r"`([^`]+)`", cell) for cell in cells[1:]]


CASES = [(declared, shown) for made, uses in _rows("Maps") for declared in made for shown in uses]
CASES += [("", shown) for uses, _ in _rows("Data") for shown in uses]


@pytest.mark.parametrize(("declared", "shown"), CASES)
def test_what_is_shown(declared, shown, module):
    source = SOURCE.format(declared=f"m = {declared}" if declared else "", shown=shown)
    assert len(lower(module(source), {}, Target("reference", btf.reference())).programs) == 1


def test_every_map_is_shown():
    made = {declared.partition("(")[0] for declared, _ in CASES if declared}
    kinds = {name for name, value in vars(pybpf.dsl).items() if isinstance(value, type)}
    maps = {name for name in kinds if issubclass(getattr(pybpf.dsl, name), pybpf.dsl.Map)}
    assert maps - {"Map", "Events"} == made
