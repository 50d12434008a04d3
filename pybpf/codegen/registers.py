"""Register allocation: linear scan, with hints that save moves.

r0 to r5 do not survive a call, so what lives across one gets r6 to r9, or, when those are taken, a place in
the stack: the value with the fewest uses for its length gives way, and the scan starts again.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybpf.codegen.ir import FREE, TERMINATORS, Function, Op, Slot
from pybpf.codegen.liveness import Interval, intervals

__all__ = ["allocate"]

_SAVED = (6, 7, 8, 9)
_ALL = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)


def allocate(function: Function) -> dict[Op, int]:
    """A register for each value; spills what doesn't fit (the function changes)."""
    spills: dict[Op, int] = {}
    while True:
        found = intervals(function)
        registers, victim = _scan(found, _Hints(function, found), spills)
        if victim is None:
            return registers
        times = spills.get(victim, 0) + 1
        spills.update(dict.fromkeys(_spill(function, victim, at_each_use=times > 1), times))


def _scan(found: list[Interval], hints: _Hints, spills: dict[Op, int]) -> tuple[dict[Op, int], Op | None]:
    registers: dict[Op, int] = {}
    active: list[Interval] = []
    for interval in found:
        active = [other for other in active if other.end > interval.start]
        busy = {registers[other.op] for other in active}
        free = [r for r in (_SAVED if interval.calls else _ALL) if r not in busy]
        if not free:
            rivals = [other for other in [*active, interval] if spills.get(other.op, 0) < 2]
            if interval.calls:
                rivals = [other for other in rivals if other.calls]
            return registers, min(rivals, key=lambda i: i.uses / (i.end - i.start + 1)).op
        wish = hints.wishes(interval.op, registers)
        registers[interval.op] = next((r for r in wish if r in free), free[0])
        active.append(interval)
    return registers, None


class _Hints:
    """In which registers a value would save a move."""

    def __init__(self, function: Function, found: list[Interval]) -> None:
        ends = {interval.op: interval.end for interval in found}
        self.arguments: dict[Op, list[int]] = {}
        self.relatives: dict[Op, list[Op]] = {}
        position = 0
        for block in function.blocks:
            for op in block.ops:
                if op.kind == "call":
                    for number, arg in enumerate(op.args, 1):
                        self.arguments.setdefault(arg, []).append(number)
                elif op.kind == "exit":
                    self.arguments.setdefault(op.args[0], []).append(0)
                elif op.kind == "phi":
                    for arg in op.args:
                        self._relate(op, arg)
                elif op.kind in ("alu", "zext", "sext") and ends.get(op.args[0]) == 2 * position:
                    self._relate(op, op.args[0])
                position += 1

    def _relate(self, a: Op, b: Op) -> None:
        if b.kind not in FREE:
            self.relatives.setdefault(a, []).append(b)
            self.relatives.setdefault(b, []).append(a)

    def wishes(self, op: Op, registers: dict[Op, int]) -> Iterator[int]:
        yield from self.arguments.get(op, ())
        for other in self.relatives.get(op, ()):
            if other in registers:
                yield registers[other]
            yield from self.arguments.get(other, ())
        if op.kind == "call":
            yield 0
        if op.kind == "context":
            yield 1
        if op.kind == "argument":
            yield op.attr + 1


def _spill(function: Function, victim: Op, at_each_use: bool) -> set[Op]:
    """Keep a value in the stack: stored once, loaded again after each call, or, if need be, at each use.

    What was loaded from the stack in the first place needs no store. Returns the values that take its place.
    """
    from_stack = victim.kind == "load" and victim.args[0].kind == "slot"
    place = victim.args[0] if from_stack else Op("slot", attr=Slot(8, "spill"))
    size, offset = (victim.size, victim.offset) if from_stack else (8, 0)
    short = {victim}

    def reload() -> Op:
        op = Op("load", (place,), victim.attr if from_stack else False, size, offset, victim.location)
        short.add(op)
        return op

    for block in function.blocks:
        ops: list[Op] = []
        at_hand: Op | None = None
        for op in block.ops:
            if victim in op.args and op.kind != "phi":
                if at_hand is None:
                    at_hand = reload()
                    ops.append(at_hand)
                op.args = tuple(at_hand if arg is victim else arg for arg in op.args)
                if at_each_use:
                    at_hand = None
            if op is victim:
                if not from_stack:
                    ops.append(op)
                    at_hand = None if at_each_use else op
                continue
            ops.append(op)
            if op.kind == "call":
                at_hand = None
        block.ops = ops
        if victim in ops:
            after = ops.index(victim) + 1
            while ops[after].kind == "phi":
                after += 1
            begin = Op("begin", attr=place.attr, location=victim.location)
            ops[after:after] = [begin, Op("store", (place, victim), location=victim.location)]
    for block in function.blocks:
        for phi in block.phis():
            for index, arg in enumerate(phi.args):
                if arg is victim:
                    again = reload()
                    end = block.preds[index].ops
                    end.insert(len(end) - (end[-1].kind in TERMINATORS), again)
                    phi.args = (*phi.args[:index], again, *phi.args[index + 1 :])
    return short
