"""32-bit jumps (ISA v3) where they save an extension, or a constant that no 64-bit jump holds."""

from __future__ import annotations

from pybpf.codegen.demand import demanded
from pybpf.codegen.ir import Function, Op, signed

__all__ = ["narrow_jumps"]

# What may cost an instruction to extend; `demand` finds out when no use is left that needs it.
_EXTENDED = frozenset({"zext", "sext", "load", "kread", "phi"})


def narrow_jumps(function: Function) -> None:
    """Turn comparisons of 4-byte numbers into `branch32`, which looks at low halves only.

    What is looked at as a whole elsewhere stays as it is: a jump on it tells the verifier its bounds.
    """
    needs = demanded(function, narrowing=True)
    for block in function.blocks:
        end = block.end
        if end.kind != "branch" or end.size != 4:
            continue
        halves = [arg for arg in end.args if needs[arg] <= 4 and arg.kind in _EXTENDED]
        right = end.args[1]
        if halves or (right.kind == "const" and not -(1 << 31) <= signed(right.attr) < 1 << 31):
            end.kind = "branch32"
            end.args = tuple(_low(arg) if arg in halves else arg for arg in end.args)


def _low(op: Op) -> Op:
    """What has the same low half."""
    while op.kind in ("zext", "sext") and op.size == 4:
        op = op.args[0]
    return op
