"""Tables and listings of a hand-made object, as whole texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from pybpf.asm import ops
from pybpf.asm.ops import R0, R1, R10
from pybpf.inspect.listing import listing
from pybpf.inspect.tables import describe_attach, map_table, program_table, table
from pybpf.source import Location
from pybpf.spec import Attach, CString, Int, MapSpec, ObjectSpec, ProgramSpec, Struct, functions
from pybpf.uapi import bpf

u32, u64 = Int("u32", 4), Int("u64", 8)
KEY = Struct("Key", [("tid", u32), ("op", u32)])
EVENT = Struct("Event", [("at", u64), ("key", KEY), ("file", CString(32))])

MAPS = (
    MapSpec("starts", bpf.BPF_MAP_TYPE_HASH, 8, 8, 8192, key=KEY, value=u64),
    MapSpec("events", bpf.BPF_MAP_TYPE_RINGBUF, 0, 0, 262144, value=EVENT),
    MapSpec("cgroups", bpf.BPF_MAP_TYPE_CGROUP_STORAGE, 4, 4, 1),
    MapSpec("new", 1000, 4, 4, 1),
)


def probe(name: str, kind: str, where: str, *code: object) -> ProgramSpec:
    return ProgramSpec(name, bpf.BPF_PROG_TYPE_KPROBE, tuple(code), Attach(kind, functions(where)))  # type: ignore[arg-type]


@pytest.fixture
def spec(tmp_path: Path) -> ObjectSpec:
    source = tmp_path / "probe.py"
    source.write_text("def leave(ret):\n    starts.pop(key)\n    return 0\n")
    second, third = Location(str(source), 2, 5), Location(str(source), 3, 5)
    leave = probe(
        "leave",
        "kretprobe",
        "nfs_open,nfs4_open?",
        ops.load_map(R1, "starts")._replace(location=second),
        ops.call("map_delete_elem")._replace(location=second._replace(column=9)),
        ops.jump("jne", R0, 0, "out")._replace(location=second),
        ops.store(8, R10, -8, 1),
        ops.at("out", ops.mov64(R0, 0))._replace(location=third),
        ops.exit_()._replace(location=third),
    )
    return ObjectSpec("test", (leave, probe("enter", "kprobe", "old|new", ops.exit_())), MAPS)


def test_maps(spec: ObjectSpec) -> None:
    assert map_table(spec) == (
        "NAME     TYPE            KEY  VALUE  ENTRIES  LAYOUT\n"
        "cgroups  CGROUP_STORAGE    4      4        1\n"
        "events   RINGBUF           0      0   262144  Event\n"
        "new      1000              4      4        1\n"
        "starts   HASH              8      8     8192  Key -> u64\n"
        "\n"
        "Event: 48 bytes\n"
        "OFFSET  SIZE  TYPE         MEMBER\n"
        "     0     8  u64          at\n"
        "     8     4  u32          key.tid\n"
        "    12     4  u32          key.op\n"
        "    16    32  CString[32]  file\n"
        "\n"
        "Key: 8 bytes\n"
        "OFFSET  SIZE  TYPE  MEMBER\n"
        "     0     4  u32   tid\n"
        "     4     4  u32   op\n"
    )


def test_programs(spec: ObjectSpec) -> None:
    assert program_table(spec) == (
        "NAME   TYPE    ATTACH     FUNCTIONS                              INSNS\n"
        "enter  KPROBE  kprobe     old or new                                 1\n"
        "leave  KPROBE  kretprobe  nfs_open, nfs4_open (where it exists)      7\n"
    )


def test_listing(spec: ObjectSpec) -> None:
    assert listing(spec) == (
        "enter: kprobe on old or new\n"
        "     0: exit\n"
        "\n"
        "leave: kretprobe on nfs_open, nfs4_open (where it exists)\n"
        "; probe.py:2: starts.pop(key)\n"
        "     0: r1 = map[starts]\n"
        "     2: call bpf_map_delete_elem#3\n"
        "     3: if r0 != 0x0 goto out\n"
        "     4: *(u64 *)(r10 -8) = 1\n"
        "; probe.py:3: return 0\n"
        "out:\n"
        "     5: r0 = 0\n"
        "     6: exit\n"
    )


def test_attach_without_functions() -> None:
    assert describe_attach(Attach("xdp", ())) == "xdp"


def test_table_without_rows() -> None:
    assert table(("NAME", "N"), []) == "NAME  N\n"
