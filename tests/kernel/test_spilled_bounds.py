"""A number that was checked keeps its bounds for the verifier while it lies in the stack."""

from __future__ import annotations

import struct

import pytest

from pybpf import btf, load
from pybpf.codegen import Builder, compile_function
from pybpf.spec import Attach, MapSpec, ObjectSpec, ProgramSpec, Target
from pybpf.uapi import bpf

VALUES = MapSpec("values", bpf.BPF_MAP_TYPE_ARRAY, 4, 64, 1)
OTHERS = 6  # more than there are registers that outlive a call


def program(condition: str, calls_before: int) -> ProgramSpec:
    """Byte `index` of the map's value plus other numbers, when the index is below 64; else 1000."""
    build = Builder("f")
    assert build.context is not None
    index = build.load(build.context, 0, 8)
    others = [build.load(build.context, 8 * number, 8) for number in range(1, OTHERS + 1)]
    for _ in range(calls_before):
        build.call("ktime_get_ns")
    inside, outside, found, missing = map(build.new_block, ("inside", "outside", "found", "missing"))
    build.branch(
        condition, index, build.const(64), *((inside, outside) if condition == "lt" else (outside, inside))
    )
    build.enter(outside)
    build.exit(build.const(1000))
    build.enter(inside)
    build.call("ktime_get_ns")
    key = build.slot(4, "key")
    build.store(key, 0, 4, build.const(0))
    place = build.call("map_lookup_elem", build.map("values"), key)
    build.branch("ne", place, build.const(0), found, missing)
    build.enter(missing)
    build.exit(build.const(0))
    build.enter(found)
    total = others[0]
    for number in others[1:] * 2:  # what is used more often keeps its register
        total = build.alu("add", total, number)
    build.exit(build.alu("add", total, build.load(build.alu("add", place, index), 0, 1)))
    code = compile_function(build.function, Target("t", btf.reference()))
    return ProgramSpec("f", bpf.BPF_PROG_TYPE_RAW_TRACEPOINT, code, Attach("raw_tracepoint", ()))


@pytest.mark.parametrize("calls_before", [0, 1])
@pytest.mark.parametrize("condition", ["lt", "ge"])
def test_the_verifier_knows_the_bounds_of_what_was_spilled(condition: str, calls_before: int) -> None:
    with load.load(ObjectSpec("o", (program(condition, calls_before),), (VALUES,))) as loaded:
        loaded.maps["values"].update(bytes(4), bytes(range(64)))
        for index, expected in ((5, 5 + 41), (63, 63 + 41), (64, 1000)):
            context = struct.pack(f"<{1 + OTHERS}Q", index, *range(1, 1 + OTHERS))
            assert loaded.programs["f"].test_run(context=context) == expected
