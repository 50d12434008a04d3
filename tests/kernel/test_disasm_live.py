"""A loaded program is shown with its names and lines; an object file likewise."""

from __future__ import annotations

from pathlib import Path

import pytest

from pybpf import load
from pybpf.asm import format_statements, ops, parse
from pybpf.asm.ops import R0, R1, R2, R10
from pybpf.cli import main
from pybpf.source import Location
from pybpf.spec import Attach, MapSpec, ObjectSpec, ProgramSpec
from pybpf.uapi import bpf

HERE = __file__
NAME = "pybpf_test_disassembly"


def _spec() -> ObjectSpec:
    code = [
        ops.store(4, R10, -4, 0),
        ops.mov64(R2, R10),
        ops.alu("add", R2, -4),
        ops.load_map(R1, "pybpf_test_map"),
        ops.call("bpf_map_lookup_elem"),
        ops.jump("jeq", R0, 0, "out"),
        ops.load(8, R0, R0),
        ops.call_subprogram("helper"),
        ops.at("out", ops.exit_()),
        ops.at("helper", ops.call("bpf_ktime_get_ns")),
        ops.exit_(),
    ]
    placed = tuple(each._replace(location=Location(HERE, 1 + at)) for at, each in enumerate(code))
    program = ProgramSpec(NAME, bpf.BPF_PROG_TYPE_SOCKET_FILTER, placed, Attach("socket", ()))
    return ObjectSpec("test", (program,), (MapSpec("pybpf_test_map", bpf.BPF_MAP_TYPE_HASH, 4, 8, 16),))


def _normal(text: str) -> list[str]:
    # Without comments and positions: what is read back of a text.
    return format_statements(parse(text))


def test_by_id_name_and_tag(capsys: pytest.CaptureFixture[str]) -> None:
    with load.load(_spec()) as loaded:
        info = loaded.programs[NAME].info()
        assert main(["disasm", "id", str(info.id)]) == 0
        text = capsys.readouterr().out
        for way in (("name", NAME), ("tag", info.tag)):
            assert main(["disasm", *way]) == 0
            assert text in capsys.readouterr().out
    assert text.startswith(
        f"; {NAME}: socket_filter, id {info.id}, tag {info.tag}\n{NAME}:\n; {Path(HERE).name}:1: "
    )
    assert "r1 = map[pybpf_test_map]\n" in text
    assert "call helper\n" in text
    assert "helper:\n" in text
    assert "call bpf_ktime_get_ns#5" in "\n".join(_normal(text))
