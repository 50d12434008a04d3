"""The machine against this kernel's JIT: random programs give the same result, packet and maps."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "tools"))

from fuzz_isa import check, in_kernel, in_machine, specification

from pybpf.asm import Statement, ops
from pybpf.asm.ops import R0, R2, R3, R6, R9, R10


@pytest.mark.parametrize("seed", range(0, 3000, 300))
def test_random_programs_run_alike(seed: int) -> None:
    for each in range(seed, seed + 300):
        difference = check(each)
        assert difference is None, difference


def classifier(*body: Statement) -> list[Statement]:
    """A program on a packet of 256 bytes, which r9 points to; it puts r0 at byte 128."""
    bounds = [ops.mov64(R6, 1), ops.load(4, R9, 1, 76), ops.load(4, R2, 1, 80), ops.mov64(R3, R9)]
    bounds += [ops.alu("add", R3, 256), ops.jump("jgt", R3, R2, "out")]
    return [*bounds, *body, ops.store(8, R9, 128, R0), ops.at("out", ops.mov64(R0, 1)), ops.exit_()]


def test_cmpxchg_of_32_bits_zero_extends_r0_when_it_finds_what_was_expected() -> None:
    code = classifier(
        ops.load(8, R0, R9, 0), ops.store(4, R10, -4, 5), ops.atomic("cmpxchg", 4, R10, -4, R6, True)
    )
    spec = specification(code)
    for packet in (b"\5\0\0\0\1\0\0\0", b"\6\0\0\0\1\0\0\0"):
        outcome = in_kernel(spec, packet.ljust(256, b"\0"))
        assert outcome == in_machine(spec, packet.ljust(256, b"\0"))
        assert outcome.packet[128:136] == b"\5\0\0\0\0\0\0\0"
