"""From where to where each value is needed, in the order in which blocks are laid out."""

from __future__ import annotations

import bisect

from pybpf.codegen.fold import COMMUTATIVE
from pybpf.codegen.ir import FREE, SILENT, Block, Function, Op

__all__ = ["Interval", "intervals"]


class Interval:
    """A value lives from `start`, where it is made, to `end`, its last use; no holes.

    Operation number i reads at 2i and writes at 2i+1. `calls` tells whether it lives across a call.
    """

    __slots__ = ("calls", "end", "op", "start", "uses")

    def __init__(self, op: Op, start: int) -> None:
        self.op = op
        self.start = start
        self.end = start
        self.uses = 0
        self.calls = False

    def use(self, position: int) -> None:
        self.uses += 1
        self.end = max(self.end, position)


def intervals(function: Function) -> list[Interval]:
    """The intervals of all values that need a register, by start."""
    found, calls, ends = _definitions(function)
    out = _live_out(function)
    position = 0
    for block in function.blocks:
        for value in out[block]:
            found[value].end = max(found[value].end, ends[block] + 1)
        for op in block.ops:
            for index, arg in enumerate(op.args):
                if arg.kind in FREE:
                    continue
                if op.kind == "phi":
                    found[arg].use(ends[block.preds[index]])
                else:
                    found[arg].use(2 * position + 2 * (index == 1 and _outlives(op)))
            position += 1
    for interval in found.values():
        after = bisect.bisect_right(calls, interval.start)
        interval.calls = after < len(calls) and calls[after] < interval.end
    return sorted(found.values(), key=lambda interval: interval.start)


def _definitions(function: Function) -> tuple[dict[Op, Interval], list[int], dict[Block, int]]:
    """Where each value is made, where calls stand, and where each block ends."""
    found: dict[Op, Interval] = {}
    calls: list[int] = []
    ends: dict[Block, int] = {}
    position = 0
    for block in function.blocks:
        begin = position
        for op in block.ops:
            if op.kind in ("phi", "argument", "context"):
                # All of a block's come at once, before its first operation.
                found[op] = Interval(op, 2 * begin - 1)
                found[op].end = 2 * begin
            elif op.kind not in SILENT:
                found[op] = Interval(op, 2 * position + 1)
            if op.kind == "call":
                calls.append(2 * position)
            position += 1
        ends[block] = 2 * (position - 1)
    return found, calls, ends


def _outlives(op: Op) -> bool:
    """Whether the second operand must not share a register with the result: `a - b` is made in a's copy."""
    return op.kind == "alu" and op.attr not in COMMUTATIVE


def _live_out(function: Function) -> dict[Block, set[Op]]:
    """The values that are needed after each block, other than by the phis of the next."""
    needs: dict[Block, set[Op]] = {}
    makes: dict[Block, set[Op]] = {}
    for block in function.blocks:
        made: set[Op] = set()
        need: set[Op] = set()
        for op in block.ops:
            if op.kind != "phi":
                need.update(arg for arg in op.args if arg.kind not in FREE and arg not in made)
            made.add(op)
        needs[block], makes[block] = need, made
    for block in function.blocks:
        for phi in block.phis():
            for pred, arg in zip(block.preds, phi.args):
                if arg.kind not in FREE and arg not in makes[pred]:
                    needs[pred].add(arg)  # a phi looks at its arguments at the end of where they come from
    out: dict[Block, set[Op]] = {block: set() for block in function.blocks}
    work = list(function.blocks)
    while work:
        block = work.pop()
        live = needs[block] | (out[block] - makes[block])
        for pred in block.preds:
            if not live <= out[pred]:
                out[pred] |= live
                work.append(pred)
    return out
