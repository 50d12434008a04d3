"""The machine against this kernel's JIT: random programs give the same result, packet and maps."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pybpf import maps
from pybpf.asm import Statement, ops, parse
from pybpf.asm.ops import R0, R2, R3, R6, R9, R10
from pybpf.errors import LoadError, SyscallError
from pybpf.load.program import load_program
from pybpf.spec import Attach, MapSpec, ObjectSpec, ProgramSpec
from pybpf.uapi import bpf
from pybpf.vm import Machine, arithmetic

sys.path.append(str(Path(__file__).parents[2] / "tools"))

from fuzz_isa import check, in_kernel, in_machine, specification

# A guest without KVM takes a hundred times as long.
COUNT = 3000 if "PYBPF_GUEST" not in os.environ else 60


def classifier(*body: Statement) -> list[Statement]:
    """A program on a packet of 256 bytes, which r9 points to; it puts r0 at byte 128."""
    bounds = [ops.mov64(R6, 1), ops.load(4, R9, 1, 76), ops.load(4, R2, 1, 80), ops.mov64(R3, R9)]
    bounds += [ops.alu("add", R3, 256), ops.jump("jgt", R3, R2, "out")]
    return [*bounds, *body, ops.store(8, R9, 128, R0), ops.at("out", ops.mov64(R0, 1)), ops.exit_()]


@pytest.fixture(scope="module", autouse=True)
def _all_instructions() -> None:
    """The random programs have every instruction up to the newest that 6.18 knows."""
    newest = [ops.mov64(R0, 0), ops.store(8, R10, -8, 0), ops.load_acquire(8, R0, R10, -8)]
    try:
        in_kernel(specification(classifier(*newest)), bytes(256))
    except (LoadError, SyscallError):
        pytest.skip("this kernel has no load_acquire (6.15)")


@pytest.mark.parametrize("part", range(10))
def test_random_programs_run_alike(part: int) -> None:
    for seed in range(COUNT // 10 * part, COUNT // 10 * (part + 1)):
        difference = check(seed)
        assert difference is None, difference


def test_cmpxchg_of_32_bits_zero_extends_r0_when_it_finds_what_was_expected() -> None:
    code = classifier(
        ops.load(8, R0, R9, 0), ops.store(4, R10, -4, 5), ops.atomic("cmpxchg", 4, R10, -4, R6, True)
    )
    spec = specification(code)
    for packet in (b"\5\0\0\0\1\0\0\0", b"\6\0\0\0\1\0\0\0"):
        outcome = in_kernel(spec, packet.ljust(256, b"\0"))
        assert outcome == in_machine(spec, packet.ljust(256, b"\0"))
        assert outcome.packet[128:136] == b"\5\0\0\0\0\0\0\0"


def test_gotox() -> None:
    table = MapSpec("table", bpf.BPF_MAP_TYPE_INSN_ARRAY, 4, 16, 2)
    code = parse("""
        r2 = *(u32 *)(r1 +0)
        r2 &= 1
        r1 = map[table][0]+0
        r2 <<= 3
        r1 += r2
        r1 = *(u64 *)(r1 +0)
        gotox r1
        r0 = 11
        exit
        r0 = 22
        exit
    """)
    program = ProgramSpec("choose", bpf.BPF_PROG_TYPE_SCHED_CLS, tuple(code), Attach("tc", ()))
    machine = Machine(ObjectSpec("test", (program,), (table,)))
    try:
        made = maps.create(table)
    except (LoadError, SyscallError):
        pytest.skip("this kernel has no arrays of instructions (6.19)")
    with made:
        for each in (made, machine.maps["table"]):
            for index, slot in enumerate((8, 10)):
                each.update(index.to_bytes(4, "little"), slot.to_bytes(4, "little") + bytes(12))
        made.freeze()
        with load_program(program, {"table": made.fileno()}) as loaded:
            for size, result in ((64, 11), (65, 22)):
                assert loaded.test_run(data=bytes(size)) == result
                assert machine.receive("choose", bytes(size))[0] == result


def test_a_difference_is_made_small_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(arithmetic.FUNCTIONS, "smod32", lambda left, right: left % right if right else left)
    found = next(filter(None, map(check, range(200))))
    assert found.startswith("seed ")
    assert " s%= " in found
    assert "\nkernel : r0 " in found
    assert "\nmachine: r0 " in found
    assert found.index("packet: ") < 700
