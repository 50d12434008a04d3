"""Strength reduction: multiplying and dividing by powers of two is done by shifts and masks."""

from __future__ import annotations

from pybpf.codegen.ir import Function, Op

__all__ = ["reduce_strength"]


def reduce_strength(function: Function) -> None:
    """Replace unsigned `*`, `/` and `%` where the second operand is a constant power of two."""
    for block in function.blocks:
        for op in block.ops:
            if op.kind != "alu" or op.attr not in ("mul", "div", "mod") or op.args[1].kind != "const":
                continue
            value = op.args[1].attr
            if value & (value - 1) or not 0 < value < 1 << (op.size * 8):
                continue
            number = value - 1 if op.attr == "mod" else value.bit_length() - 1
            op.args = (op.args[0], Op("const", attr=number))
            op.attr = {"mul": "lsh", "div": "rsh", "mod": "and"}[op.attr]
