"""Register allocation: linear scan, with hints that save moves.

r0 to r5 do not survive a call, so what lives across one gets r6 to r9, or, when those are taken, a place in
the stack: the value with the fewest uses for its length gives way, and the scan starts again.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybpf.codegen.ir import FREE, Function, Op
from pybpf.codegen.liveness import Interval, intervals
from pybpf.codegen.spill import spill

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
        spills.update(dict.fromkeys(spill(function, victim, at_each_use=times > 1), times))


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
