"""Dead stores: what is written to the stack, and written over or forgotten before anyone looks, is not."""

from __future__ import annotations

from pybpf.codegen.ir import Function, Op, Slot
from pybpf.codegen.slots import SlotUses

__all__ = ["drop_dead_stores"]


def drop_dead_stores(function: Function) -> None:
    """Go through each block from its end, with the bytes of each slot that are still needed."""
    slots = SlotUses(function)
    escaping = frozenset[Slot]().union(*slots.through.values())
    for block in function.blocks:
        needed: dict[Slot, int] = {slot: _all(slot) for slot in slots.live_out[block]}
        kept: list[Op] = []
        for op in reversed(block.ops):
            if op.kind == "begin":
                needed[op.attr] = 0
            elif op.kind in ("load", "store") and op.args[0].kind == "slot":
                slot = op.args[0].attr
                at = op.args[0].offset + op.offset
                span = ((1 << op.size) - 1) << at
                before = needed.get(slot, 0)
                if op.kind == "load":
                    needed[slot] = before | span
                else:
                    if not before & span and slot not in escaping:
                        continue
                    needed[slot] = before & ~span
                    for other in slots.uses(op) - {slot}:
                        needed[other] = _all(other)
            else:
                for slot in slots.uses(op):
                    needed[slot] = _all(slot)
            kept.append(op)
        block.ops = kept[::-1]


def _all(slot: Slot) -> int:
    return (1 << slot.size) - 1
