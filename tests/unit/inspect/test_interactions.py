"""Map references are followed through registers, the stack, joins and calls."""

from __future__ import annotations

from typing import Any

import pytest

from pybpf.asm import Statement, ops
from pybpf.asm.ops import R0, R1, R2, R3, R6, R7, R10
from pybpf.inspect.interactions import Interaction, interactions
from pybpf.spec import Attach, MapSpec, ObjectSpec, ProgramSpec
from pybpf.uapi import bpf

LOOKUP, UPDATE = ops.call("map_lookup_elem"), ops.call("map_update_elem")
OUT = ops.at("out", ops.mov64(R0, 0))


def an_object(*programs: tuple[str, list[Statement]], maps: str = "a b .rodata") -> ObjectSpec:
    return ObjectSpec(
        "test",
        tuple(
            ProgramSpec(name, bpf.BPF_PROG_TYPE_KPROBE, tuple(code), Attach("kprobe", ()))
            for name, code in programs
        ),
        tuple(MapSpec(name, bpf.BPF_MAP_TYPE_HASH, 4, 4, 1) for name in maps.split()),
    )


CASES: dict[str, tuple[list[Any], list[tuple[str, str]]]] = {
    "a register": ([ops.load_map(R1, "a"), LOOKUP], [("a", "Lookup")]),
    "moved between registers": (
        [ops.load_map(R6, "a"), LOOKUP, ops.mov64(R1, R6), UPDATE],
        [("a", "Update")],
    ),
    "a call clobbers r1": ([ops.load_map(R1, "a"), LOOKUP, UPDATE], [("a", "Lookup")]),
    "half a register is no reference": ([ops.load_map(R2, "a"), ops.mov32(R1, R2), LOOKUP], []),
    "spilled and reloaded": (
        [
            ops.load_map(R1, "a"),
            ops.store(8, R10, -16, R1),
            LOOKUP,
            ops.load(8, R1, R10, -16),
            UPDATE,
        ],
        [("a", "Lookup"), ("a", "Update")],
    ),
    "spilled through a pointer to the stack": (
        [
            ops.load_map(R1, "a"),
            ops.mov64(R7, R10),
            ops.alu("add", R7, -24),
            ops.store(8, R7, 8, R1),
            ops.load(8, R2, R10, -16),
            ops.mov64(R1, R2),
            LOOKUP,
        ],
        [("a", "Lookup")],
    ),
    "a slot that is partly overwritten": (
        [
            ops.load_map(R1, "a"),
            ops.store(8, R10, -8, R1),
            ops.store(4, R10, -4, 0),
            ops.load(8, R1, R10, -8),
            LOOKUP,
        ],
        [],
    ),
    "an atomic exchange takes the register": (
        [ops.load_map(R1, "a"), ops.atomic("xchg", 8, R10, -8, R1), LOOKUP],
        [],
    ),
    "either of two at a join": (
        [
            ops.load_map(R6, "a"),
            ops.jump("jeq", R2, 0, "go"),
            ops.load_map(R6, "b"),
            ops.at("go", ops.mov64(R1, R6)),
            LOOKUP,
        ],
        [("a", "Lookup"), ("b", "Lookup")],
    ),
    "only on one of two ways": (
        [
            ops.jump("jeq", R2, 0, "out"),
            ops.load_map(R1, "b"),
            LOOKUP,
            ops.jump("jeq", R0, 0, "out"),
            ops.load_map(R1, "a"),
            UPDATE,
        ],
        [("b", "Lookup"), ("a", "Update")],
    ),
    "a loop ends": (
        [
            ops.mov64(R6, R10),
            ops.load_map(R7, "a"),
            ops.at("again", ops.alu("add", R6, -8)),
            ops.store(8, R6, 0, R7),
            ops.jump("jne", R3, 0, "again"),
            ops.load(8, R1, R10, -64),
            LOOKUP,
        ],
        [("a", "Lookup")],
    ),
    "dead code": ([ops.ja("out"), ops.load_map(R1, "a"), LOOKUP], []),
    "one map in two operations, and one twice": (
        [ops.load_map(R1, "a"), LOOKUP] * 2 + [ops.load_map(R1, "a"), ops.call("map_delete_elem")],
        [("a", "Lookup"), ("a", "Delete")],
    ),
    "events by either helper": (
        [
            ops.load_map(R1, "a"),
            ops.call("ringbuf_output"),
            ops.load_map(R2, "b"),
            ops.call("perf_event_output"),
        ],
        [("a", "EventOutput"), ("b", "EventOutput")],
    ),
    "a reserved record that is submitted": (
        [
            ops.load_map(R1, "a"),
            ops.call("ringbuf_reserve"),
            ops.mov64(R1, R0),
            ops.call("ringbuf_submit"),
        ],
        [("a", "EventOutput")],
    ),
    "a reserved record that is discarded": (
        [
            ops.load_map(R1, "a"),
            ops.call("ringbuf_reserve"),
            ops.mov64(R1, R0),
            ops.call("ringbuf_discard"),
        ],
        [],
    ),
    "the value of .rodata is not a map": ([ops.load_map_value(R1, ".rodata", 8), LOOKUP], []),
    "a map whose name begins with a dot": ([ops.load_map(R1, ".rodata"), LOOKUP], []),
    "a subprogram, at the place of its call": (
        [
            ops.load_map(R2, "a"),
            ops.call_subprogram("touch"),
            ops.load_map(R1, "a"),
            UPDATE,
            ops.ja("out"),
            ops.at("touch", ops.mov64(R1, R2)),
            LOOKUP,
            ops.exit_(),
        ],
        [("a", "Lookup"), ("a", "Update")],
    ),
    "what a subprogram returns": (
        [
            ops.call_subprogram("choose"),
            ops.mov64(R1, R0),
            LOOKUP,
            ops.ja("out"),
            ops.at("choose", ops.load_map(R0, "b")),
            ops.exit_(),
        ],
        [("b", "Lookup")],
    ),
    "a subprogram that calls itself": (
        [
            ops.load_map(R1, "a"),
            ops.call_subprogram("again"),
            ops.ja("out"),
            ops.at("again", LOOKUP),
            ops.call_subprogram("again"),
            ops.exit_(),
        ],
        [("a", "Lookup")],
    ),
    "a callback": (
        [
            ops.load_map(R1, "a"),
            ops.load_function(R2, "each"),
            ops.call("for_each_map_elem"),
            ops.ja("out"),
            ops.at("each", ops.call("map_delete_elem")),
            ops.exit_(),
        ],
        [("a", "Iterate"), ("a", "Delete")],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_followed(case: str) -> None:
    code, expected = CASES[case]
    spec = an_object(("probe", [*code, OUT, ops.exit_()]))
    assert interactions(spec) == [Interaction("probe", *pair) for pair in expected]


def test_programs_are_sorted() -> None:
    code = [ops.load_map(R1, "a"), LOOKUP, ops.exit_()]
    found = interactions(an_object(("z", code), ("b", code)))
    assert [step.program for step in found] == ["b", "z"]
