"""The stack frame: a place for each slot below r10."""

from __future__ import annotations

from pybpf.codegen.ir import Function, Slot
from pybpf.errors import LoweringError
from pybpf.spec import align_up

__all__ = ["STACK_SIZE", "place_slots"]

# MAX_BPF_STACK, include/linux/filter.h.
STACK_SIZE = 512


def place_slots(function: Function) -> int:
    """Give each slot its offset from r10; returns the offset of 8 free bytes below them.

    Raises LoweringError when it all needs more than 512 bytes.
    """
    depth = 0
    placed: set[Slot] = set()
    for block in function.blocks:
        for op in block.ops:
            for arg in op.args:
                if arg.kind == "slot" and arg.attr not in placed:
                    placed.add(arg.attr)
                    depth += align_up(arg.attr.size, 8)
                    arg.attr.offset = -depth
                    if depth + 8 > STACK_SIZE:
                        raise LoweringError(
                            f"{function.name} needs more than the {STACK_SIZE} bytes of stack that there are;"
                            " keep large data in a map",
                            op.location,
                        )
    return -depth - 8
