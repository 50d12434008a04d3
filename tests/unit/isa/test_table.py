from __future__ import annotations

from collections import Counter

import pytest

from pybpf.isa import OPS, by_opcode, opcodes
from pybpf.uapi import bpf

# RFC 9669, appendix A: opcode, src, offset, imm (None: any), group; a few of each kind.
APPENDIX = [
    ("0x04 0 0 any", "base32"),
    ("0x07 0 0 any", "base64"),
    ("0x0f any 0 0", "base64"),
    ("0x20 0 0 any", "packet"),
    ("0x48 any 0 any", "packet"),
    ("0x24 0 0 any", "divmul32"),
    ("0x3f any 1 0", "divmul64"),
    ("0x84 0 0 0", "base32"),
    ("0x87 0 0 0", "base64"),
    ("0x81 any any 0", "base64"),
    ("0x61 any any 0", "base32"),
    ("0x7a 0 any any", "base64"),
    ("0x7b any any 0", "base64"),
    ("0xbc any 8 0", "base32"),
    ("0xbf any 32 0", "base64"),
    ("0xc3 any any 241", "atomic32"),
    ("0xdb any any 0", "atomic64"),
    ("0xd4 0 0 32", "base32"),
    ("0xd7 0 0 64", "base64"),
    ("0x05 0 any 0", "base32"),
    ("0x06 0 0 any", "base32"),
    ("0x15 0 any any", "base64"),
    ("0x16 0 any any", "base32"),
    ("0x85 0 0 any", "base32"),
    ("0x85 1 0 any", "base32"),
    ("0x95 0 0 0", "base32"),
    ("0x18 6 0 any", "base64"),
]


@pytest.mark.parametrize(("row", "group"), APPENDIX, ids=[row for row, _ in APPENDIX])
def test_rows_are_those_of_the_rfc(row: str, group: str) -> None:
    opcode, *fields = (None if word == "any" else int(word, 0) for word in row.split())
    assert opcode is not None
    rows = [op for op in by_opcode(opcode) if [op.src, op.offset, op.imm] == fields]
    assert [op.group for op in rows] == [group]


def test_names_and_encodings_are_unique() -> None:
    assert Counter(op.name for op in OPS).most_common(1)[0][1] == 1
    keys = Counter((op.opcode, op.src, op.offset, op.imm) for op in OPS)
    assert keys.most_common(1)[0][1] == 1


def test_versions_and_groups() -> None:
    versions = Counter(op.version for op in OPS if op.group != "kernel")
    assert versions == {1: 102, 2: 8, 3: 40, 4: 31}
    assert Counter(op.group for op in OPS) == {
        "base32": 64,
        "base64": 60,
        "divmul32": 10,
        "divmul64": 10,
        "atomic32": 10,
        "atomic64": 10,
        "packet": 6,
        "linux": 11,
        "kernel": 30,
    }


def test_constants_are_the_headers() -> None:
    names = [name for name in opcodes.__all__ if name.startswith("BPF_")]
    assert all(getattr(opcodes, name) == getattr(bpf, name) for name in names)
