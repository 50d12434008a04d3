"""Casts that a helper spares: the current task comes with its type, when it is asked for that way."""

from __future__ import annotations

from pybpf.asm import KernelFunctionRef
from pybpf.codegen.ir import Function
from pybpf.spec import Target

__all__ = ["drop_casts"]

_CAST = KernelFunctionRef("bpf_rdonly_cast")


def drop_casts(function: Function, target: Target) -> None:
    """Replace `bpf_rdonly_cast(get_current_task(), struct task_struct)` by `get_current_task_btf` (5.11).

    A kernel that has the cast (6.2) has the helper too, for the same programs.
    """
    casts = [op for block in function.blocks for op in block.ops if op.kind == "call" and op.attr == _CAST]
    casts = [op for op in casts if op.args[0].kind == "call" and op.args[0].attr == "get_current_task"]
    if not casts:
        return
    task = target.btf["struct task_struct"].id
    for op in casts:
        if op.args[1].attr == task:
            op.attr = "get_current_task_btf"
            op.args = ()
