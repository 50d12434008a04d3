"""Reads of kernel memory: neighbouring fields of one object become one call of the helper.

A `kread` becomes a load from a stack slot which `probe_read_kernel` (5.5; `probe_read` before) has filled.
The helper fills it with zeros when the memory can't be read, so a field of a null pointer is 0.
"""

from __future__ import annotations

from pybpf.codegen.ir import Function, Op, Slot
from pybpf.spec import align_up

__all__ = ["SPAN", "expand_reads"]

# How many bytes one call may fetch: copying is cheap beside the call, but the stack has 512 bytes.
SPAN = 64


def expand_reads(function: Function, helper: str) -> None:
    """Replace every `kread`; those of one base in one block share calls as far as SPAN allows."""
    same: dict[Op, Op] = {}
    for block in function.blocks:
        reads = [op for op in block.ops if op.kind == "kread"]
        groups = {first: _place(group) for group in _groups(reads) for first in group[:1]}
        loads = {load[0]: load[1] for _, _, members in groups.values() for load in members}
        if not reads:
            continue
        ops: list[Op] = []
        for op in block.ops:
            if op in groups:
                ops.extend(_fetch(op, *groups[op][:2], helper))
            if op in loads:
                ops.append(loads[op])
                same[op] = loads[op]
            else:
                ops.append(op)
        block.ops = ops
    if same:
        for block in function.blocks:
            for op in block.ops:
                op.args = tuple(same.get(arg, arg) for arg in op.args)


def _groups(reads: list[Op]) -> list[list[Op]]:
    """Reads that share a call, in the order of the program."""
    groups: list[list[Op]] = []
    for op in reads:
        for group in groups:
            low = min(op.offset, *(other.offset for other in group))
            high = max(op.offset + op.size, *(other.offset + other.size for other in group))
            if group[0].args[0] is op.args[0] and high - low <= SPAN:
                group.append(op)
                break
        else:
            groups.append([op])
    return groups


def _place(group: list[Op]) -> tuple[Slot, tuple[int, int], list[tuple[Op, Op]]]:
    """The slot of a group, the range of bytes to fetch, and the load that replaces each read."""
    low = min(op.offset for op in group)
    high = max(op.offset + op.size for op in group)
    lead = low % 8  # keep each field as aligned in the slot as it is in the object
    slot = Slot(align_up(lead + high - low, 8), "read", once=True)
    loads = []
    for op in group:
        place = Op("slot", attr=slot)
        loads.append((op, Op("load", (place,), op.attr, op.size, lead + op.offset - low, op.location)))
    return slot, (low, high), loads


def _fetch(op: Op, slot: Slot, span: tuple[int, int], helper: str) -> list[Op]:
    low, high = span
    ops = []
    source = op.args[0]
    if low:
        source = Op("alu", (source, Op("const", attr=low)), "add", location=op.location)
        ops.append(source)
    into = Op("slot", attr=slot, offset=low % 8)
    size = Op("const", attr=high - low)
    ops.append(Op("begin", attr=slot, location=op.location))
    ops.append(Op("call", (into, size, source), helper, location=op.location))
    return ops
