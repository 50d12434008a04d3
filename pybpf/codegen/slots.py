"""Which stack slots each operation looks at, directly or through an address that was computed from one."""

from __future__ import annotations

from collections.abc import Mapping

from pybpf.codegen.ir import Block, Function, Op, Slot

__all__ = ["SlotUses"]

_NOTHING: frozenset[Slot] = frozenset()


class SlotUses:
    """`uses(op)` are the slots that an operation may touch; `live_out` those needed after each block.

    A slot is needed from its `begin` to its last use, on whatever path.
    """

    def __init__(self, function: Function) -> None:
        self.through = _addresses(function)
        self.live_out = self._live_out(function)

    def uses(self, op: Op) -> set[Slot]:
        found = {arg.attr for arg in op.args if arg.kind == "slot"}
        for arg in op.args:
            found |= self.through.get(arg, _NOTHING)
        return found

    def _live_out(self, function: Function) -> dict[Block, set[Slot]]:
        needs: dict[Block, set[Slot]] = {}
        begins: dict[Block, set[Slot]] = {}
        for block in function.blocks:
            need: set[Slot] = set()
            for op in reversed(block.ops):
                need |= self.uses(op)
                if op.kind == "begin":
                    need.discard(op.attr)
            needs[block] = need
            begins[block] = {op.attr for op in block.ops if op.kind == "begin"}
        out: dict[Block, set[Slot]] = {block: set() for block in function.blocks}
        work = list(function.blocks)
        while work:
            block = work.pop()
            live = needs[block] | (out[block] - begins[block])
            for pred in block.preds:
                if not live <= out[pred]:
                    out[pred] |= live
                    work.append(pred)
        return out


def _addresses(function: Function) -> Mapping[Op, frozenset[Slot]]:
    """The values that are addresses in slots: computed from one, or kept in the stack meanwhile."""
    through: dict[Op, frozenset[Slot]] = {}
    kept: dict[Slot, frozenset[Slot]] = {}

    def slots(op: Op) -> frozenset[Slot]:
        return frozenset({op.attr}) if op.kind == "slot" else through.get(op, _NOTHING)

    changed = True
    while changed:
        changed = False
        for block in function.blocks:
            for op in block.ops:
                if op.kind in ("alu", "copy", "phi"):
                    found = frozenset[Slot]().union(*map(slots, op.args))
                elif op.kind == "load" and op.args[0].kind == "slot":
                    found = kept.get(op.args[0].attr, _NOTHING)
                elif op.kind == "store" and op.args[0].kind == "slot" and slots(op.args[1]):
                    place = op.args[0].attr
                    both = kept.get(place, _NOTHING) | slots(op.args[1])
                    changed |= both != kept.get(place)
                    kept[place] = both
                    continue
                else:
                    continue
                if found and found != through.get(op):
                    through[op] = found
                    changed = True
    return through
