"""Loads, stores, atomics and packet access, as lines of Python.

An access to a known place of the stack frame goes straight to it: `stack` holds its bytes, `s2`, `s4` and
`s8` are the same as numbers of that size, `valid` has a 1 for each byte that was written. All else goes
through the functions `load1` … `store8` of the machine's memory.
"""

from __future__ import annotations

import sys

from pybpf.isa import Instruction
from pybpf.uapi.bpf import (
    BPF_ABS,
    BPF_ADD,
    BPF_AND,
    BPF_ATOMIC,
    BPF_CMPXCHG,
    BPF_FETCH,
    BPF_LDX,
    BPF_MEMSX,
    BPF_OR,
    BPF_ST,
    BPF_XOR,
)
from pybpf.vm.arithmetic import sign_extend
from pybpf.vm.flow import FRAME, LOAD_ACQUIRE, SIZES, STACK, STORE_RELEASE

__all__ = ["MAY_GOTO", "lines", "packet"]

# How often `may_goto` lets a function go on (BPF_MAX_LOOPS).
MAY_GOTO = 8 * 1024 * 1024

_M64 = "0xFFFFFFFFFFFFFFFF"
_OPERATORS = {BPF_ADD: "+", BPF_AND: "&", BPF_OR: "|", BPF_XOR: "^"}


def lines(insn: Instruction, place: int | None, state: int) -> list[str]:
    """Python for a load or store; `place` its offset in the frame if known, `state` what is initialised."""
    size = SIZES[insn.opcode & 0x18]
    kind, mode = insn.opcode & 7, insn.opcode & 0xE0
    if place is not None and not 0 <= place <= FRAME - size:
        return [f"overrun({place - FRAME}, {size})"]
    if kind == BPF_LDX:
        load = _load(insn.src, insn.offset, size, place)
        if mode == BPF_MEMSX:
            load = f"{sign_extend(load, size * 8)} & {_M64}"
        return [*_check(place, size, state), f"r{insn.dst} = {load}"]
    mask = f"{(1 << size * 8) - 1:#x}"
    if mode == BPF_ATOMIC:
        return _atomic(insn, size, place, state)
    if kind == BPF_ST:
        value = str(insn.imm & (1 << size * 8) - 1)
    else:
        value = f"r{insn.src}" if size == 8 else f"r{insn.src} & {mask}"
    return _store(insn.dst, insn.offset, size, place, state, value)


def _atomic(insn: Instruction, size: int, place: int | None, state: int) -> list[str]:
    mask = f"{(1 << size * 8) - 1:#x}"
    value = f"r{insn.src}" if size == 8 else f"(r{insn.src} & {mask})"
    if insn.imm == LOAD_ACQUIRE:
        load = _load(insn.src, insn.offset, size, place)
        return [*_check(place, size, state), f"r{insn.dst} = {load}"]
    if insn.imm == STORE_RELEASE:
        return _store(insn.dst, insn.offset, size, place, state, value)
    before = [*_check(place, size, state), f"old = {_load(insn.dst, insn.offset, size, place)}"]
    if insn.imm == BPF_CMPXCHG:
        expected = "r0" if size == 8 else f"(r0 & {mask})"
        new, result = f"{value} if old == {expected} else old", ["r0 = old"]
    else:
        operator = _OPERATORS.get(insn.imm & ~BPF_FETCH)  # none: BPF_XCHG
        new = f"(old {operator} {value}) & {mask}" if operator else value
        result = [f"r{insn.src} = old"] if insn.imm & BPF_FETCH else []
    return [*before, *_store(insn.dst, insn.offset, size, place, state, new), *result]


def _direct(place: int, size: int) -> str | None:
    """The stack's bytes as one number of this machine's own order, where alignment allows it."""
    if size == 1:
        return f"stack[{place}]"
    if place % size or sys.byteorder != "little":
        return None
    return f"s{size}[{place // size}]"


def _load(base: int, offset: int, size: int, place: int | None) -> str:
    if place is None:
        return f"load{size}({_address(base, offset)})"
    return _direct(place, size) or f"int.from_bytes(stack[{place}:{place + size}], 'little')"


def _store(base: int, offset: int, size: int, place: int | None, state: int, value: str) -> list[str]:
    if place is None:
        return [f"store{size}({_address(base, offset)}, {value})"]
    direct = _direct(place, size)
    if direct is None:
        found = [f"stack[{place}:{place + size}] = ({value}).to_bytes({size}, 'little')"]
    else:
        found = [f"{direct} = {value}"]
    if not _is_known(place, size, state):
        found.append(f"valid[{place}:{place + size}] = {bytes([1]) * size!r}")
    return found


def _check(place: int | None, size: int, state: int) -> list[str]:
    if place is None or _is_known(place, size, state):
        return []
    return [f"if 0 in valid[{place}:{place + size}]: unwritten({place - FRAME}, {size})"]


def _is_known(place: int, size: int, state: int) -> bool:
    wanted = (1 << size) - 1
    return state >> STACK + place & wanted == wanted


def _address(base: int, offset: int) -> str:
    return f"r{base} + {offset}" if offset else f"r{base}"


def packet(insn: Instruction) -> str:
    """The big-endian number at a place of the packet, or None when the packet is too short."""
    size = SIZES[insn.opcode & 0x18]
    if insn.opcode & 0xE0 == BPF_ABS:
        return f"packet({insn.imm}, {size})"
    return f"packet((r{insn.src} & 0xFFFFFFFF) + {insn.imm}, {size})"
