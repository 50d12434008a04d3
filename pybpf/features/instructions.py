"""Which instructions the verifier knows."""

from __future__ import annotations

import functools

from pybpf.asm import link, ops
from pybpf.asm.ops import R0, R1, R2, R10
from pybpf.features.feature import Feature, program_feature

__all__ = ["isa_v4", "jmp32", "stack_index"]


@functools.cache
def jmp32() -> Feature:
    """Jumps that compare 32 bits (-mcpu=v3)."""
    code = [ops.mov64(R0, 0), ops.jump("jeq", R0, 0, "out", width=32), ops.at("out", ops.exit_())]
    return program_feature("32-bit jumps", "5.1", link(code))


@functools.cache
def isa_v4() -> Feature:
    """Sign-extending moves and loads, signed division, long jumps (-mcpu=v4)."""
    code = [ops.mov64(R0, 0), ops.movsx(R0, R0, 8), ops.mov64(R0, 0), ops.exit_()]
    return program_feature("instruction set v4", "6.6", link(code))


@functools.cache
def stack_index() -> Feature:
    """Reads and writes of the stack at an offset that isn't known."""
    code = [
        ops.store(8, R10, -16, 0),
        ops.store(8, R10, -8, 0),
        ops.load(4, R2, R1, 0),
        ops.alu("and", R2, 8),
        ops.alu("add", R2, R10),
        ops.load(8, R0, R2, -16),
        ops.exit_(),
    ]
    return program_feature("arrays on the stack with an index", "5.12", link(code))
