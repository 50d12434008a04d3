"""The shape of the control flow graph: straight lines become one block."""

from __future__ import annotations

from pybpf.codegen.ir import Block, Function

__all__ = ["merge_blocks"]


def merge_blocks(function: Function) -> None:
    """Append a block to the only one that jumps to it, where that goes nowhere else."""
    function.order()
    merged: dict[Block, Block] = {}
    for block in function.blocks:
        while block not in merged and block.end.kind == "jump":
            target = block.end.targets[0]
            if len(target.preds) != 1 or target is block or next(target.phis(), None) is not None:
                break
            block.ops[-1:] = target.ops
            merged[target] = block
            for successor in target.end.targets:
                successor.preds = [block if pred is target else pred for pred in successor.preds]
    function.blocks = [block for block in function.blocks if block not in merged]
