"""The builder: one function an instruction, in the terms of RFC 9669, each returning a `Statement`.

    from pybpf.asm import link, ops
    from pybpf.asm.ops import R0, R1, R2

    code = link([
        ops.load(8, R2, R1, 16),              # r2 = *(u64 *)(r1 +16)
        ops.mov64(R0, 0),
        ops.jump("jgt", R2, 1000, "out"),
        ops.alu("add", R0, R2),
        ops.at("out", ops.exit_()),
    ])

A register is one of R0 to R10, an immediate any other int; where only a register can stand, an int from 0
to 10 will do. Sizes are bytes (1, 2, 4, 8), widths bits (32, 64). A jump's target is a label, or a number of
slots after the next instruction. Wrong arguments raise `EncodingError`.
"""

# ruff: noqa: F405 (the names of the uapi header, all of them)
from __future__ import annotations

import enum

from pybpf.asm.statement import (
    KernelFunctionRef,
    LabelRef,
    MapRef,
    MapValueRef,
    Ref,
    Statement,
    SubprogramRef,
)
from pybpf.errors import EncodingError
from pybpf.isa.codec import check
from pybpf.isa.instruction import Instruction
from pybpf.isa.opcodes import *  # noqa: F403
from pybpf.isa.table import ALU_ROWS, JUMP_ROWS

__all__ = [
    "ALU",
    "ATOMICS",
    "JUMPS",
    "R0",
    "R1",
    "R2",
    "R3",
    "R4",
    "R5",
    "R6",
    "R7",
    "R8",
    "R9",
    "R10",
    "Reg",
    "addr_space_cast",
    "alu",
    "at",
    "atomic",
    "bswap",
    "call",
    "call_kernel_function",
    "call_subprogram",
    "exit_",
    "goto_register",
    "ja",
    "jump",
    "load",
    "load_acquire",
    "load_function",
    "load_imm64",
    "load_map",
    "load_map_value",
    "load_packet",
    "may_goto",
    "mov32",
    "mov64",
    "movsx",
    "neg",
    "store",
    "store_release",
    "to_be",
    "to_le",
]


class Reg(enum.IntEnum):
    """A register of a program; R10 is the frame pointer, read only."""

    R0 = 0
    R1 = 1
    R2 = 2
    R3 = 3
    R4 = 4
    R5 = 5
    R6 = 6
    R7 = 7
    R8 = 8
    R9 = 9
    R10 = 10


R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10 = Reg

ALU = {name: code for name, code, _ in ALU_ROWS}
JUMPS = {name: code for name, code, _, _ in JUMP_ROWS}
ATOMICS = {
    "add": BPF_ADD,
    "or": BPF_OR,
    "and": BPF_AND,
    "xor": BPF_XOR,
    "xchg": BPF_XCHG,
    "cmpxchg": BPF_CMPXCHG,
}
_SIZES = {1: BPF_B, 2: BPF_H, 4: BPF_W, 8: BPF_DW}


def _statement(
    opcode: int, dst: int = 0, src: int = 0, offset: int = 0, imm: int = 0, ref: Ref | None = None
) -> Statement:
    insn = Instruction(opcode, int(dst), int(src), offset, imm)
    check(insn)
    if dst > 10 or src > 10:
        raise EncodingError(f"there is no register r{max(dst, src)}: a program has r0 to r10")
    return Statement(insn, ref)


def _pick(table: dict[str, int], what: str, name: str) -> int:
    if name not in table:
        raise EncodingError(f"no {what} {name!r}: it is one of {', '.join(table)}")
    return table[name]


def _size(size: int) -> int:
    if size not in _SIZES:
        raise EncodingError(f"size {size} is not 1, 2, 4 or 8 bytes")
    return _SIZES[size]


def _class(width: int, narrow: int, wide: int) -> int:
    if width not in (32, 64):
        raise EncodingError(f"width {width} is not 32 or 64 bits")
    return wide if width == 64 else narrow


def _operand(opcode: int, value: Reg | int, narrow: bool) -> tuple[int, int, int]:
    # Opcode, src and imm. An unsigned 32-bit number is the same bits as a signed one, where only 32 count.
    if isinstance(value, Reg):
        return opcode | BPF_X, value, 0
    if narrow and 1 << 31 <= value < 1 << 32:
        value -= 1 << 32
    return opcode | BPF_K, 0, value


def at(label: str, statement: Statement) -> Statement:
    """The statement with one more label standing at it."""
    return statement._replace(labels=(*statement.labels, label))


def alu(op: str, dst: int, value: Reg | int, width: int = 64) -> Statement:
    """`dst op= value`, `op` one of `ALU`: `add sub mul div or and lsh rsh mod xor mov arsh sdiv smod`."""
    code = _pick(ALU, "arithmetic operation", op)
    opcode, src, imm = _operand(_class(width, BPF_ALU, BPF_ALU64) | code, value, width == 32)
    return _statement(opcode, dst, src, int(op in ("sdiv", "smod")), imm)


def mov64(dst: int, value: Reg | int) -> Statement:
    """`dst = value`; a number is sign-extended from 32 bits (`load_imm64` takes larger ones)."""
    return alu("mov", dst, value)


def mov32(dst: int, value: Reg | int) -> Statement:
    """`dst = (u32)value`."""
    return alu("mov", dst, value, 32)


def movsx(dst: int, src: int, bits: int, width: int = 64) -> Statement:
    """`dst = (s8)src`, or 16 or 32 `bits`, extended to `width` (ISA v4, 6.6)."""
    return _statement(_class(width, BPF_ALU, BPF_ALU64) | BPF_MOV | BPF_X, dst, src, bits)


def neg(dst: int, width: int = 64) -> Statement:
    """`dst = -dst`."""
    return _statement(_class(width, BPF_ALU, BPF_ALU64) | BPF_NEG, dst)


def to_be(dst: int, bits: int) -> Statement:
    """Turn the low 16, 32 or 64 `bits` into big endian, and zero the rest."""
    return _statement(BPF_ALU | BPF_END | BPF_TO_BE, dst, imm=bits)


def to_le(dst: int, bits: int) -> Statement:
    """Turn the low 16, 32 or 64 `bits` into little endian, and zero the rest."""
    return _statement(BPF_ALU | BPF_END | BPF_TO_LE, dst, imm=bits)


def bswap(dst: int, bits: int) -> Statement:
    """Reverse the bytes of the low 16, 32 or 64 `bits`, and zero the rest (ISA v4, 6.6)."""
    return _statement(BPF_ALU64 | BPF_END, dst, imm=bits)


def addr_space_cast(dst: int, src: int, to: int, from_: int) -> Statement:
    """`dst = src` as a pointer of address space `to` that was one of `from_` (arenas, 6.9)."""
    imm = (to << 16 | from_) - (to >> 15 << 32)
    return _statement(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, BPF_ADDR_SPACE_CAST, imm)


def load(size: int, dst: int, base: int, offset: int = 0, signed: bool = False) -> Statement:
    """`dst = *(size *)(base + offset)`, zero-extended, or sign-extended if `signed` (ISA v4, 6.6)."""
    return _statement(BPF_LDX | (BPF_MEMSX if signed else BPF_MEM) | _size(size), dst, base, offset)


def store(size: int, base: int, offset: int, value: Reg | int) -> Statement:
    """`*(size *)(base + offset) = value`."""
    if isinstance(value, Reg):
        return _statement(BPF_STX | BPF_MEM | _size(size), base, value, offset)
    if size < 8 and 1 << 31 <= value < 1 << 32:
        value -= 1 << 32
    return _statement(BPF_ST | BPF_MEM | _size(size), base, 0, offset, value)


def load_packet(size: int, offset: int, index: int | None = None) -> Statement:
    """`r0 =` the packet's bytes at `offset`, or at `index + offset`, in host order (legacy; r6: the skb)."""
    if index is None:
        return _statement(BPF_LD | BPF_ABS | _size(size), imm=offset)
    return _statement(BPF_LD | BPF_IND | _size(size), 0, index, imm=offset)


def atomic(op: str, size: int, base: int, offset: int, src: int, fetch: bool = False) -> Statement:
    """An atomic operation on 4 or 8 bytes: `add`, `or`, `and`, `xor`, `xchg`, `cmpxchg`.

    With `fetch`, and always with `xchg`, `src` becomes the old value; `cmpxchg` compares with r0, and r0
    becomes the old value. All but `add` without `fetch` since 5.12.
    """
    imm = _pick(ATOMICS, "atomic operation", op) | (BPF_FETCH if fetch else 0)
    return _statement(BPF_STX | BPF_ATOMIC | _size(size), base, src, offset, imm)


def load_acquire(size: int, dst: int, base: int, offset: int = 0) -> Statement:
    """`dst = *(size *)(base + offset)`; no later access is done before it (6.15)."""
    return _statement(BPF_STX | BPF_ATOMIC | _size(size), dst, base, offset, BPF_LOAD_ACQ)


def store_release(size: int, base: int, offset: int, src: int) -> Statement:
    """`*(size *)(base + offset) = src`; no earlier access is done after it (6.15)."""
    return _statement(BPF_STX | BPF_ATOMIC | _size(size), base, src, offset, BPF_STORE_REL)


def jump(op: str, dst: int, value: Reg | int, target: str | int, width: int = 64) -> Statement:
    """`if dst op value goto target`, `op` one of `JUMPS`: `jeq jne jgt jge jlt jle jsgt jsge jslt jsle jset`.

    A number is sign-extended to 64 bits, for unsigned comparisons too. 32 bits since 5.1 (ISA v3).
    """
    opcode = _class(width, BPF_JMP32, BPF_JMP) | _pick(JUMPS, "condition", op)
    opcode, src, imm = _operand(opcode, value, width == 32)
    offset, ref = _target(target)
    return _statement(opcode, dst, src, offset, imm, ref)


def ja(target: str | int) -> Statement:
    """`goto target`; one too far for 16 bits becomes `gotol` when labels are resolved (ISA v4, 6.6)."""
    offset, ref = _target(target)
    if -(1 << 15) <= offset < 1 << 15:
        return _statement(BPF_JMP | BPF_JA, offset=offset, ref=ref)
    return _statement(BPF_JMP32 | BPF_JA, imm=offset, ref=ref)


def may_goto(target: str | int) -> Statement:
    """Go to `target` once the kernel's budget for loops is used up (6.9)."""
    offset, ref = _target(target)
    return _statement(BPF_JMP | BPF_JCOND, offset=offset, ref=ref)


def goto_register(dst: int) -> Statement:
    """`gotox dst`: go to an address from an instruction array map (6.19)."""
    return _statement(BPF_JMP | BPF_JA | BPF_X, dst)


def call(helper: int | str) -> Statement:
    """Call a helper by its id or name: r0 = helper(r1, …, r5)."""
    if isinstance(helper, str):
        from pybpf.asm.helpers import helper_id

        helper = helper_id(helper)
    return _statement(BPF_JMP | BPF_CALL, imm=helper)


def call_subprogram(name: str) -> Statement:
    """Call the function that stands at label `name`."""
    return _statement(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, ref=SubprogramRef(name))


def call_kernel_function(name: str) -> Statement:
    """Call a kernel function that is exported to BPF (5.13)."""
    return _statement(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, ref=KernelFunctionRef(name))


def exit_() -> Statement:
    """Return r0."""
    return _statement(BPF_JMP | BPF_EXIT)


def load_imm64(dst: int, value: int) -> Statement:
    """`dst = value`, any 64 bits, signed or unsigned (two slots)."""
    if not -(1 << 63) <= value < 1 << 64:
        raise EncodingError(f"{value:#x} has more than 64 bits")
    return _statement(LDDW, dst, imm=value & (1 << 64) - 1)


def load_map(dst: int, name: str) -> Statement:
    """`dst =` the map of that name."""
    return _statement(LDDW, dst, BPF_PSEUDO_MAP_FD, ref=MapRef(name))


def load_map_value(dst: int, name: str, offset: int = 0) -> Statement:
    """`dst =` the address of byte `offset` in the only value of an array map (5.2)."""
    return _statement(LDDW, dst, BPF_PSEUDO_MAP_VALUE, ref=MapValueRef(name, offset))


def load_function(dst: int, name: str) -> Statement:
    """`dst =` the address of the function at label `name`, a callback for a helper (5.13)."""
    return _statement(LDDW, dst, BPF_PSEUDO_FUNC, ref=SubprogramRef(name))


def _target(target: str | int) -> tuple[int, LabelRef | None]:
    return (0, LabelRef(target)) if isinstance(target, str) else (target, None)
