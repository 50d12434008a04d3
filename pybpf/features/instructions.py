"""Which instructions the verifier knows."""

from __future__ import annotations

import functools

from pybpf.asm import link, ops
from pybpf.asm.ops import R0
from pybpf.features.feature import Feature, program_feature

__all__ = ["isa_v4", "jmp32"]


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
