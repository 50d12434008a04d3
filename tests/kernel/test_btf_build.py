"""BTF that we build, as the kernel and bpftool read it: needs CAP_BPF, and bpftool."""

from __future__ import annotations

import enum
import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from pybpf import maps
from pybpf.btf.build import Builder
from pybpf.errors import SyscallError
from pybpf.maps.typed import SHOWN, load_btf
from pybpf.source import Location
from pybpf.spec import Array, CString, Int, MapSpec, Pointer, Struct
from pybpf.sys import Fd, command, object_info
from pybpf.uapi import bpf

sys.path.insert(0, str(Path(__file__).parent))
from btf_kernels import bpftool


class Op(enum.IntEnum):
    READ, WRITE = 0, 1


U32 = Int("u32", 4)
KEY = Struct("Key", [("tid", U32), ("op", Int("Op", 4, names=Op))])
PREFIX = Struct("Prefix", [("length", U32), ("address", U32)])
VALUE = Struct(
    "Start",
    [
        ("comm", CString[16]),
        ("start", Int("i64", 8, signed=True)),
        ("dentry", Pointer("struct dentry *")),
        ("counts", Array(U32, 2)),
    ],
)


def show(*arguments: str) -> str:
    return subprocess.run([bpftool(), *arguments], check=True, capture_output=True, text=True).stdout


def test_the_kernel_takes_every_kind_that_we_build():
    """Whole, or, where it is too old for a part of it, without that part."""
    b = Builder()
    b.map_types(KEY, VALUE)
    bits = b.structure("bits", 4, [("a", b.integer("u32", 4), 0, 3), ("b", b.integer("u32", 4), 3, 29)])
    both = b.structure("both", 4, [("parts", bits, 0, 0)], kind="union")
    tagged = b.modifier("type_tag", b.modifier("typedef", both, "both_t"), "user")
    variable = b.variable("min_ns", b.modifier("volatile", tagged))
    b.section(".rodata", 4, [(variable, 0, 4)])
    b.enumeration("small", 4, [("LEAST", -1), ("MOST", 1)])
    b.enumeration("large", 8, [("MOST", 1 << 40)])
    b.tag("a_tag", b.function("probe"))
    load_btf(b.finish(), "BTF").close()


def test_the_kernel_says_what_it_does_not_take():
    b = Builder()
    b.structure("short", 1, [("a", b.integer("u32", 4), 0, 0)])
    with pytest.raises(SyscallError, match=r"^bpf\(BPF_BTF_LOAD\): Invalid argument"):
        load_btf(b.finish(), "BTF")


def test_bpftool_shows_a_map_by_field_names():
    with maps.create(
        MapSpec("starts", bpf.BPF_MAP_TYPE_HASH, KEY.size, VALUE.size, 1, key=KEY, value=VALUE)
    ) as made:
        made.update(struct.pack("<II", 42, 1), struct.pack("<16sqQII", b"bash", -5, 4096, 7, 8))
        [shown] = json.loads(show("-j", "map", "dump", "id", str(made.info().id)))
    assert shown["formatted"]["key"] == {"tid": 42, "op": "WRITE"}
    assert shown["formatted"]["value"] == {"comm": "bash", "start": -5, "dentry": 4096, "counts": [7, 8]}


@pytest.mark.parametrize("kind", sorted(SHOWN))
def test_maps_of_every_kind_have_their_types(kind):
    key = PREFIX if kind == bpf.BPF_MAP_TYPE_LPM_TRIE else U32
    flags = bpf.BPF_F_NO_PREALLOC if kind == bpf.BPF_MAP_TYPE_LPM_TRIE else 0
    with maps.create(MapSpec("m", kind, key.size, VALUE.size, 2, flags, key=key, value=VALUE)) as made:
        [types] = object_info(made.fileno(), "map", "btf_id")
    assert types


def test_a_map_whose_types_the_kernel_refuses():
    """An array's index must be an integer: with an enum the map is made without types."""
    index = Int("Op", 4, names=Op)
    with maps.create(MapSpec("m", bpf.BPF_MAP_TYPE_ARRAY, 4, 4, 2, key=index, value=U32)) as made:
        [types] = object_info(made.fileno(), "map", "btf_id")
    assert types == 0


def test_bpftool_shows_a_program_with_python_lines(tmp_path):
    source = tmp_path / "probe.py"
    source.write_text("def probe(ctx):\n    return 7\n")
    b = Builder()
    functions = b.func_info([(0, b.function("probe"))])
    lines = b.line_info([(0, Location(str(source), 1, 1)), (1, Location(str(source), 2, 5))])
    code = bytes.fromhex("b7000000070000009500000000000000")
    with load_btf(b.finish(), "BTF") as types:
        fd = command(
            bpf.BPF_PROG_LOAD,
            prog_type=bpf.BPF_PROG_TYPE_SOCKET_FILTER,
            insns=code,
            insn_cnt=2,
            license=b"GPL\0",
            prog_name=b"probe",
            prog_btf_fd=types.fileno(),
            func_info_rec_size=8,
            func_info=functions,
            func_info_cnt=len(functions) // 8,
            line_info_rec_size=16,
            line_info=lines,
            line_info_cnt=len(lines) // 16,
        )
    with Fd(fd, "program"):
        [id] = object_info(fd, "prog", "id")
        text = show("prog", "dump", "xlated", "id", str(id), "linum")
    assert [line.strip() for line in text.splitlines()] == [
        "int probe(void * ctx):",
        f"; def probe(ctx): [file:{source} line_num:1 line_col:1]",
        "0: (b7) r0 = 7",
        f"; return 7 [file:{source} line_num:2 line_col:5]",
        "1: (95) exit",
    ]
