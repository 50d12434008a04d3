"""Extension on demand: a signed load of which only the low bytes are used need not be sign-extended."""

from __future__ import annotations

from pybpf.codegen.ir import Function, Op

__all__ = ["relax_loads"]


def relax_loads(function: Function) -> None:
    """Make signed loads unsigned where every use looks at no more than was loaded."""
    loads = [
        op
        for block in function.blocks
        for op in block.ops
        if op.kind in ("load", "kread") and op.attr is True
    ]
    if not loads:
        return
    whole: set[Op] = set()
    for block in function.blocks:
        for op in block.ops:
            for index, arg in enumerate(op.args):
                narrow = op.kind in ("zext", "sext") or (op.kind == "store" and index == 1)
                if not (narrow and op.size <= arg.size):
                    whole.add(arg)
    for op in loads:
        if op not in whole:
            op.attr = False
