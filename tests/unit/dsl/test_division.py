"""Signed division at its edges: it rounds down, as Python's does."""

from __future__ import annotations

import struct

from pybpf import btf
from pybpf.dsl import lower
from pybpf.spec import Target
from pybpf.vm import Machine

SOURCE = """
@raw_tracepoint("sys_enter")
def probe(a: i64, b: i64):
    counts[0] = u64(a // b)
    counts[1] = u64(a % b)
    counts[2] = u64(a // 7)
    counts[3] = u64(a % -7)
"""
EDGES = [0, 1, -1, 2, -2, 7, -7, 127, -128, 2**62, -(2**62) + 1, 2**63 - 1, -(2**63), -(2**63) + 128]


def test_as_python_does(module):
    machine = Machine(lower(module(SOURCE), {}, Target("reference", btf.reference())))
    for a in EDGES:
        for b in EDGES:
            machine.run("probe", struct.pack("<2q", a, b))
            quotient, rest = (a // b, a % b) if b else (0, a)
            expected = [value & (1 << 64) - 1 for value in (quotient, rest, a // 7, a % -7)]
            assert [machine.maps["counts"][key] for key in range(4)] == expected, (a, b)
