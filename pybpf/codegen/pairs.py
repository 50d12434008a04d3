"""Stores side by side: two that could be one of twice the size become that one."""

from __future__ import annotations

from pybpf.codegen.ir import FREE, U64, Function, Op, signed, value_key

__all__ = ["join_stores"]

# Helpers that give the address of 8-byte aligned memory.
_ALIGNED = frozenset({"map_lookup_elem", "ringbuf_reserve"})
# What may stand between two stores: nothing that looks at memory.
_BLIND = frozenset({"alu", "zext", "sext"})


def join_stores(function: Function) -> None:
    """Join halves of one number, and constants, until nothing changes."""
    for block in function.blocks:
        kept: list[Op] = []
        for op in block.ops:
            while (before := _partner(op, kept)) is not None:
                kept.remove(before)
                op = _joined(*sorted((before, op), key=lambda store: store.offset))
            kept.append(op)
        block.ops = kept


def _partner(op: Op, kept: list[Op]) -> Op | None:
    """The store before `op` that the two can be one with."""
    for before in reversed(kept):
        if before.kind not in _BLIND:
            low, high = sorted((before, op), key=lambda store: store.offset)
            fits = before.kind == op.kind == "store" and _adjacent(low, high)
            return before if fits and _whole(low, high) is not None else None
    return None


def _adjacent(low: Op, high: Op) -> bool:
    """Whether both store halves of one aligned number of at most 8 bytes."""
    a, b = low.args[0], high.args[0]
    aligned = a.kind in FREE or (a.kind == "call" and a.attr in _ALIGNED)
    begin = low.offset + (a.offset if a.kind in FREE else 0)
    return (
        value_key(a) == value_key(b)
        and aligned
        and low.size == high.size < 8
        and high.offset - low.offset == low.size
        and begin % (2 * low.size) == 0
    )


def _whole(low: Op, high: Op) -> Op | None:
    """The number whose halves the two store, if one operation can store it."""
    a, b = low.args[1], high.args[1]
    bits = low.size * 8
    if a.kind == b.kind == "const":
        number = a.attr & ((1 << bits) - 1) | (b.attr & ((1 << bits) - 1)) << bits
        value = signed(number, 2 * low.size)
        return Op("const", attr=value & U64) if -(1 << 31) <= value < 1 << 31 else None
    shifted = b.kind == "alu" and b.attr == "rsh" and b.size >= 2 * low.size and b.args[0] is a
    return a if shifted and b.args[1].kind == "const" and b.args[1].attr == bits else None


def _joined(low: Op, high: Op) -> Op:
    whole = _whole(low, high)
    assert whole is not None
    return Op("store", (low.args[0], whole), None, 2 * low.size, low.offset, low.location)
