"""The basic blocks of a function, and what is certain to be initialised where.

The state between instructions is one number, a set of bits: bit 0 to 10 for the registers, and from
`STACK` on a bit for each byte of the stack frame. A bit is set when every way there has written it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Optional

from pybpf.isa import Instruction
from pybpf.uapi.bpf import (
    BPF_ADD,
    BPF_ALU,
    BPF_ALU64,
    BPF_ATOMIC,
    BPF_CALL,
    BPF_CMPXCHG,
    BPF_END,
    BPF_EXIT,
    BPF_FETCH,
    BPF_IND,
    BPF_JA,
    BPF_JCOND,
    BPF_JMP,
    BPF_JMP32,
    BPF_LD,
    BPF_LDX,
    BPF_MOV,
    BPF_NEG,
    BPF_ST,
    BPF_STX,
    BPF_SUB,
    BPF_X,
)

__all__ = [
    "FRAME",
    "LOAD_ACQUIRE",
    "SIZES",
    "STACK",
    "STORE_RELEASE",
    "Block",
    "Function",
    "analyse",
    "is_indirect",
    "reads",
    "target",
    "writes",
]

FRAME = 512  # bytes of a stack frame (MAX_BPF_STACK)
STACK = 16  # the first bit that stands for a byte of the stack
SIZES = {0x00: 4, 0x08: 2, 0x10: 1, 0x18: 8}
LOAD_ACQUIRE, STORE_RELEASE = 0x100, 0x110

_ARGUMENTS = 0b111110

Slots = Sequence[Optional[Instruction]]


class Block(NamedTuple):
    """Slots `start` to `stop` (exclusive), entered at `start` only; conditional jumps may leave it midway."""

    start: int
    stop: int


class Function(NamedTuple):
    """One function of a program.

    `states` has the set of initialised bits before each instruction that can be reached; `frame` the
    offset in the stack frame of each load and store whose address is known to be there.
    """

    entry: int
    blocks: tuple[Block, ...]
    states: dict[int, int]
    frame: dict[int, int]


def target(insn: Instruction, slot: int) -> int | None:
    """Where a jump goes; None when it is no jump, or goes where a register says."""
    if is_indirect(insn):
        return None
    kind, operation = insn.opcode & 7, insn.opcode & 0xF0
    if kind not in (BPF_JMP, BPF_JMP32) or operation in (BPF_CALL, BPF_EXIT):
        return None
    far = kind == BPF_JMP32 and operation == BPF_JA
    return slot + 1 + (insn.imm if far else insn.offset)


def is_indirect(insn: Instruction) -> bool:
    """Is it `gotox`?"""
    return insn.opcode == BPF_JMP | BPF_JA | BPF_X


def _ends(insn: Instruction) -> bool:
    """Does nothing follow it?"""
    operation = insn.opcode & 0xF0
    return insn.opcode & 7 in (BPF_JMP, BPF_JMP32) and operation in (BPF_JA, BPF_EXIT)


def analyse(slots: Slots, entry: int, end: int, known: int, arity: Callable[[int], int]) -> Function:
    """The function from slot `entry` up to `end`. `known` is set at its entry; `arity` of a helper by id."""
    leaders = {entry}
    for slot in range(entry, end):
        insn = slots[slot]
        if insn is not None and is_indirect(insn):  # it may go anywhere
            leaders = {each for each in range(entry, end) if slots[each] is not None}
            break
        to = None if insn is None else target(insn, slot)
        if to is not None:
            leaders.add(to)
    frame = _frame_offsets(slots, entry, end, leaders)
    states: dict[int, int] = {}
    pending = [(entry, known)]
    while pending:
        slot, state = pending.pop()
        while True:
            before = states.get(slot)
            if before is not None:
                state &= before
                if state == before:
                    break
            states[slot] = state
            insn = slots[slot]
            assert insn is not None
            state = _after(insn, state, frame.get(slot), arity)
            to = target(insn, slot)
            if to is not None:
                pending.append((to, state))
            elif is_indirect(insn):
                pending += [(each, state) for each in leaders]
            if _ends(insn):
                break
            slot += insn.slots
    return Function(entry, _blocks(slots, leaders, states), states, frame)


def _blocks(slots: Slots, leaders: set[int], states: dict[int, int]) -> tuple[Block, ...]:
    blocks = []
    start = None
    for slot in sorted(states):
        if start is None or slot in leaders:
            start = slot
        insn = slots[slot]
        assert insn is not None
        after = slot + insn.slots
        if _ends(insn) or after in leaders or after not in states:
            blocks.append(Block(start, after))
            start = None
    return tuple(blocks)


def _frame_offsets(slots: Slots, entry: int, end: int, leaders: set[int]) -> dict[int, int]:
    """The place in the frame of each access through r10, or through a copy of it made in the same block."""
    found: dict[int, int] = {}
    top = {10: FRAME}
    for slot in range(entry, end):
        insn = slots[slot]
        if insn is None:
            continue
        if slot in leaders:
            top = {10: FRAME}
        kind, operation = insn.opcode & 7, insn.opcode & 0xF0
        if kind in (BPF_LDX, BPF_ST, BPF_STX):
            base = insn.src if kind == BPF_LDX or _is_load_acquire(insn) else insn.dst
            if base in top:
                found[slot] = top[base] + insn.offset
        if insn.opcode == BPF_ALU64 | BPF_MOV | BPF_X and not insn.offset and insn.src in top:
            top[insn.dst] = top[insn.src]
        elif insn.opcode in (BPF_ALU64 | BPF_ADD, BPF_ALU64 | BPF_SUB) and insn.dst in top:
            top[insn.dst] += insn.imm if operation == BPF_ADD else -insn.imm
        else:
            written = writes(insn)
            top = {register: value for register, value in top.items() if not written >> register & 1}
    return found


def reads(insn: Instruction, arity: Callable[[int], int]) -> int:
    """The set of registers that it needs."""
    kind, operation = insn.opcode & 7, insn.opcode & 0xF0
    dst, src = 1 << insn.dst, 1 << insn.src
    if kind in (BPF_ALU, BPF_ALU64):
        if operation in (BPF_NEG, BPF_END):
            return dst
        by_register = src if insn.opcode & BPF_X else 0
        return by_register if operation == BPF_MOV else dst | by_register
    if kind in (BPF_JMP, BPF_JMP32):
        if operation == BPF_EXIT:
            return 1
        if operation == BPF_CALL:
            return (1 << arity(insn.imm) + 1) - 2 if insn.src == 0 else 0
        if operation in (BPF_JA, BPF_JCOND):
            return 0
        return dst | (src if insn.opcode & BPF_X else 0)
    if kind == BPF_LDX:
        return src
    if kind == BPF_ST:
        return dst
    if kind == BPF_STX:
        if insn.opcode & 0xE0 != BPF_ATOMIC:
            return dst | src
        return src if _is_load_acquire(insn) else dst | src | (insn.imm == BPF_CMPXCHG)
    if insn.slots == 2:
        return 0
    return 1 << 6 | (src if insn.opcode & 0xE0 == BPF_IND else 0)  # r6 is the packet's context


def _is_load_acquire(insn: Instruction) -> bool:
    return insn.opcode & 7 == BPF_STX and insn.opcode & 0xE0 == BPF_ATOMIC and insn.imm == LOAD_ACQUIRE


def writes(insn: Instruction) -> int:
    """The set of registers that hold something else, or nothing, afterwards."""
    kind, operation = insn.opcode & 7, insn.opcode & 0xF0
    if kind in (BPF_ALU, BPF_ALU64, BPF_LDX):
        return 1 << insn.dst
    if kind == BPF_LD:
        return 1 << insn.dst if insn.slots == 2 else _ARGUMENTS | 1
    if kind == BPF_JMP and operation == BPF_CALL:
        return _ARGUMENTS | 1
    if kind == BPF_STX and insn.opcode & 0xE0 == BPF_ATOMIC:
        if _is_load_acquire(insn):
            return 1 << insn.dst
        if insn.imm == BPF_CMPXCHG:
            return 1
        return 1 << insn.src if insn.imm & BPF_FETCH else 0
    return 0


def _after(insn: Instruction, state: int, place: int | None, arity: Callable[[int], int]) -> int:
    """The set of initialised bits after it; what it read is initialised too, or the machine has stopped."""
    state |= reads(insn, arity)
    kind, operation = insn.opcode & 7, insn.opcode & 0xF0
    written = writes(insn)
    if (kind == BPF_JMP and operation == BPF_CALL) or (kind == BPF_LD and insn.slots == 1):
        return state & ~_ARGUMENTS | 1
    if kind in (BPF_ST, BPF_STX) and place is not None and 0 <= place < FRAME:
        state |= (1 << SIZES[insn.opcode & 0x18]) - 1 << STACK + place
    return state | written
