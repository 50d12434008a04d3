"""BTF that we build, as the kernel and bpftool read it: needs CAP_BPF, and bpftool."""

from __future__ import annotations

import enum
import json
import subprocess
import sys
from pathlib import Path

import pytest

from pybpf.btf.build import Builder
from pybpf.errors import SyscallError
from pybpf.source import Location
from pybpf.spec import Array, CString, Int, Pointer, Struct
from pybpf.sys import Fd, command, object_info
from pybpf.uapi import bpf

sys.path.insert(0, str(Path(__file__).parent))
from btf_kernels import bpftool


class Op(enum.IntEnum):
    READ, WRITE = 0, 1


U32 = Int("u32", 4)
KEY = Struct("Key", [("tid", U32), ("op", Int("Op", 4, names=Op))])
VALUE = Struct(
    "Start",
    [
        ("comm", CString[16]),
        ("start", Int("i64", 8, signed=True)),
        ("dentry", Pointer("struct dentry *")),
        ("counts", Array(U32, 2)),
    ],
)


def load_btf(data: bytes) -> Fd:
    """Load it, with the kernel's log as the failure's text."""
    log = bytearray(1 << 16)
    try:
        fd = command(
            bpf.BPF_BTF_LOAD,
            btf=data,
            btf_size=len(data),
            btf_log_buf=log,
            btf_log_size=len(log),
            btf_log_level=1,
        )
    except SyscallError as error:
        pytest.fail(f"{error}\n{log.rstrip(bytes(1)).decode()}")
    return Fd(fd, "BTF")


def show(*arguments: str) -> str:
    return subprocess.run([bpftool(), *arguments], check=True, capture_output=True, text=True).stdout


def test_the_kernel_takes_every_kind_that_we_build():
    b = Builder()
    b.map_types(KEY, VALUE)
    bits = b.structure("bits", 4, [("a", b.integer("u32", 4), 0, 3), ("b", b.integer("u32", 4), 3, 29)])
    both = b.structure("both", 4, [("parts", bits, 0, 0)], kind="union")
    variable = b.variable("min_ns", b.modifier("volatile", b.modifier("typedef", both, "both_t")))
    b.section(".rodata", 4, [(variable, 0, 4)])
    b.enumeration("small", 4, [("LEAST", -1), ("MOST", 1)])
    b.function("probe")
    load_btf(b.finish()).close()


def test_bpftool_shows_a_map_by_field_names():
    b = Builder()
    key, value = b.map_types(KEY, VALUE)
    with load_btf(b.finish()) as types:
        fd = command(
            bpf.BPF_MAP_CREATE,
            map_type=bpf.BPF_MAP_TYPE_HASH,
            key_size=KEY.size,
            value_size=VALUE.size,
            max_entries=1,
            map_name=b"starts",
            btf_fd=types.fileno(),
            btf_key_type_id=key,
            btf_value_type_id=value,
        )
    with Fd(fd, "map"):
        row = {"comm": b"bash", "start": -5, "dentry": 4096, "counts": [7, 8]}
        command(
            bpf.BPF_MAP_UPDATE_ELEM,
            map_fd=fd,
            key=KEY.construct().build({"tid": 42, "op": 1}),
            value=VALUE.construct().build(row),
        )
        [id] = object_info(fd, "map", "id")
        [shown] = json.loads(show("-j", "map", "dump", "id", str(id)))
    assert shown["formatted"]["key"] == {"tid": 42, "op": "WRITE"}
    assert shown["formatted"]["value"] == {"comm": "bash", "start": -5, "dentry": 4096, "counts": [7, 8]}


def test_bpftool_shows_a_program_with_python_lines(tmp_path):
    source = tmp_path / "probe.py"
    source.write_text("def probe(ctx):\n    return 7\n")
    b = Builder()
    functions = b.func_info([(0, b.function("probe"))])
    lines = b.line_info([(0, Location(str(source), 1, 1)), (1, Location(str(source), 2, 5))])
    code = bytes.fromhex("b7000000070000009500000000000000")
    with load_btf(b.finish()) as types:
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
