"""32-bit jumps (ISA v3) where they save an extension, or a constant that no 64-bit jump holds."""

from __future__ import annotations

from collections import Counter

from pybpf.codegen.ir import Function, Op, signed

__all__ = ["narrow_jumps"]


def narrow_jumps(function: Function) -> None:
    """Turn comparisons of 4-byte numbers into `branch32`, which looks at low halves only."""
    uses = Counter(arg for block in function.blocks for op in block.ops for arg in op.args)
    for block in function.blocks:
        end = block.end
        if end.kind != "branch" or end.size > 4:
            continue
        args = tuple(_low(arg) if uses[arg] == 1 else arg for arg in end.args)
        right = end.args[1]
        saves = args != end.args or (right.kind == "const" and not -(1 << 31) <= signed(right.attr) < 1 << 31)
        if saves:
            end.kind = "branch32"
            end.args = args


def _low(op: Op) -> Op:
    """What has the same low half."""
    while op.kind in ("zext", "sext") and op.size == 4:
        op = op.args[0]
    return op
