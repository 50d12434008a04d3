"""What .BTF.ext of an object by clang says, and damage in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pybpf.btf import parse
from pybpf.btf.container import sections
from pybpf.btf.core import Relocation
from pybpf.btf.debug_info import core_records, object_records
from pybpf.errors import BtfError

FOUND = sections((Path(__file__).parents[2] / "data" / "btf" / "core.o").read_bytes())
BTF = parse(FOUND[".BTF"])
EXT = FOUND[".BTF.ext"]


def test_functions_and_lines():
    [(section, (functions, lines))] = object_records(EXT, BTF).items()
    assert (section, functions) == ("socket", {0: "probe"})
    shown = [(line.location.line, line.location.column, line.text) for line in lines.values()]
    assert shown[0][2].endswith("int probe(void *ctx)")
    assert (29, 9, "\t*out++ = (u64)&dentry->d_name.name - (u64)ctx;") in shown
    assert Path(lines[0].location.file).name == "core.c"


def test_relocations():
    [records] = core_records(EXT, BTF).values()
    shown = [(BTF.by_id(r.type_id).key, r.access, Relocation(r.kind).name) for r in records]
    assert len(shown) == 23
    assert shown[:3] == [
        ("struct dentry", "0:1:1", "FIELD_BYTE_OFFSET"),
        ("struct dentry", "0:1:0:0:1", "FIELD_BYTE_OFFSET"),
        ("struct task_struct___mine", "0:1:3", "FIELD_BYTE_OFFSET"),
    ]
    assert shown[-1] == ("enum pid_type", "1", "ENUMVAL_VALUE")


def test_an_object_without_relocations():
    assert core_records(EXT[:4] + (24).to_bytes(4, "little") + EXT[8:], BTF) == {}


def test_every_cut():
    for size in range(len(EXT)):
        with pytest.raises(BtfError):
            _ = object_records(EXT[:size], BTF), core_records(EXT[:size], BTF)
