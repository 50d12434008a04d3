"""Dead code: an operation whose value nobody needs is dropped, unless it acts."""

from __future__ import annotations

from pybpf.codegen.ir import SILENT, Function, Op
from pybpf.codegen.simplify import PURE_HELPERS

__all__ = ["drop_dead"]


def _acts(op: Op) -> bool:
    return op.kind in SILENT or (op.kind == "call" and op.attr not in PURE_HELPERS)


def drop_dead(function: Function) -> None:
    """Keep what acts, and what that needs."""
    needed: set[Op] = set()
    work = [op for block in function.blocks for op in block.ops if _acts(op)]
    while work:
        op = work.pop()
        if op not in needed:
            needed.add(op)
            work.extend(op.args)
    for block in function.blocks:
        block.ops = [op for op in block.ops if op in needed]
