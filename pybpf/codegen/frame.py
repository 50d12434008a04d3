"""The stack frame: a place for each slot below r10; slots that are never needed at once share one."""

from __future__ import annotations

from pybpf.codegen.ir import Function, Op, Slot
from pybpf.codegen.slots import SlotUses
from pybpf.errors import LoweringError
from pybpf.spec import align_up

__all__ = ["STACK_SIZE", "place_slots"]

# MAX_BPF_STACK, include/linux/filter.h.
STACK_SIZE = 512


def place_slots(function: Function) -> int:
    """Give each slot its offset from r10; returns the offset of 8 free bytes below them.

    Raises LoweringError when it all needs more than 512 bytes.
    """
    placed: list[tuple[Slot, int]] = []
    depth = 0
    for slot, (needed, op) in _needed(function).items():
        size = align_up(slot.size, 8)
        top = 0  # how far below r10 the slot's end may be
        for other, when in sorted(placed, key=lambda each: -each[0].offset):
            end = other.offset + align_up(other.size, 8)
            if needed & when and -end < top + size:
                top = max(top, -other.offset)
        slot.offset = -top - size
        placed.append((slot, needed))
        depth = max(depth, -slot.offset)
        if depth + 8 > STACK_SIZE:
            raise LoweringError(
                f"{function.name} needs more than the {STACK_SIZE} bytes of stack that there are;"
                " keep large data in a map",
                op.location,
            )
    return -depth - 8


def _needed(function: Function) -> dict[Slot, tuple[int, Op]]:
    """For each slot, at which operations its content matters, as bits of a number, and its first use."""
    slots = SlotUses(function)
    found: dict[Slot, tuple[int, Op]] = {}
    position = sum(len(block.ops) for block in function.blocks)
    for block in reversed(function.blocks):
        live = set(slots.live_out[block])
        for op in reversed(block.ops):
            position -= 1
            live |= slots.uses(op)
            for slot in live:
                when, _ = found.get(slot, (0, op))
                found[slot] = (when | 1 << position, op)
            if op.kind == "begin":
                live.discard(op.attr)
    return dict(sorted(found.items(), key=lambda each: each[1][0] & -each[1][0]))
