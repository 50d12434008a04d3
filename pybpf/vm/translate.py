"""A program as Python: one Python function for each of its functions, registers as local variables.

Python has no goto: the blocks of a function stand in a loop, in the order of their addresses, behind a
binary tree of `if b < n`. Running on into the next block costs nothing, a jump a few comparisons. Each
generated line belongs to one instruction, so that the line where an exception was raised tells which one
it was, and the frame's local variables are the registers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pybpf.isa import Instruction
from pybpf.uapi.bpf import (
    BPF_ALU,
    BPF_ALU64,
    BPF_CALL,
    BPF_EXIT,
    BPF_JA,
    BPF_JCOND,
    BPF_JMP,
    BPF_JMP32,
    BPF_LD,
    BPF_PSEUDO_CALL,
)
from pybpf.uapi.helpers import HELPERS
from pybpf.vm import access
from pybpf.vm.arithmetic import condition, oddity, result
from pybpf.vm.code import CODE
from pybpf.vm.flow import Function, Slots, is_indirect, reads, target

__all__ = ["Source", "translate"]

# Helpers that call back into the program, or that replace it: the count of steps must be with the machine.
_TAIL_CALL = HELPERS["bpf_tail_call"]
_CALLS_BACK = {
    _TAIL_CALL,
    *(HELPERS[f"bpf_{name}"] for name in ("for_each_map_elem", "loop", "find_vma", "user_ringbuf_drain")),
}
_VARIADIC = HELPERS["bpf_trace_printk"]


class Source(NamedTuple):
    """Generated Python: `text`, and for each of its lines (from 1) the slot of its instruction, or -1."""

    text: str
    slots: list[int]


def translate(
    slots: Slots, functions: list[Function], arity: Callable[[int], int], *, strict: bool
) -> Source:
    """Python for all functions of a program: `f0`, `f12`, … by the slot where each begins.

    `strict` makes errors of what has a meaning, but is refused by the verifier.
    """
    writer = _Writer(slots, arity, strict)
    for function in functions:
        writer.function(function)
    return Source("\n".join(writer.lines) + "\n", [-1, *writer.where])


class _Writer:
    def __init__(self, slots: Slots, arity: Callable[[int], int], strict: bool) -> None:
        self.slots = slots
        self.strict = strict
        self.arity = arity
        self.lines: list[str] = []
        self.where: list[int] = []

    def emit(self, indent: int, text: str, slot: int = -1) -> None:
        self.lines.append(" " * indent + text)
        self.where.append(slot)

    def function(self, function: Function) -> None:
        self.current = function
        self.number = {block.start: number for number, block in enumerate(function.blocks)}
        self.emit(0, f"def f{function.entry}(r1, r2, r3, r4, r5):")
        self.emit(1, "r0 = r6 = r7 = r8 = r9 = None")
        self.emit(1, "stack, valid, s2, s4, s8, r10 = enter()", function.entry)
        self.emit(1, f"n, again, b = machine.left, {access.MAY_GOTO}, 0")
        if any(insn is not None and is_indirect(insn) for insn in self.slots):
            self.emit(1, f"places = { {start * 8: number for start, number in self.number.items()} }")
        self.emit(1, "while True:")
        self.tree(0, len(function.blocks), 2)

    def tree(self, low: int, high: int, indent: int) -> None:
        """Blocks `low` to `high`; on entry `b` is one of them."""
        if high - low == 1:
            self.block(low, indent)
            return
        middle = (low + high) // 2
        self.emit(indent, f"if b < {middle}:")
        self.tree(low, middle, indent + 1)
        self.tree(middle, high, indent)

    def block(self, number: int, indent: int) -> None:
        block = self.current.blocks[number]
        slot, steps = block.start, 0
        while slot < block.stop:
            insn = self.slots[slot]
            assert insn is not None
            steps += 1
            missing = reads(insn, self.arity) & ~self.current.states[slot]
            for register in range(11):
                if missing >> register & 1:
                    self.emit(indent, f"if r{register} is None: uninitialised({register})", slot)
            ended = self.instruction(insn, slot, indent, steps)
            slot, last = slot + insn.slots, slot
        if not ended:
            self.emit(indent, f"n -= {steps}", last)
            self.emit(indent, f"b = {number + 1}", last)

    def instruction(self, insn: Instruction, slot: int, indent: int, steps: int) -> bool:
        """Write one; True when nothing follows it in this block."""
        kind, operation = insn.opcode & 7, insn.opcode & 0xF0
        if kind in (BPF_ALU, BPF_ALU64):
            if self.strict and oddity(insn):
                self.emit(indent, f"refused({oddity(insn)!r})", slot)
            self.emit(indent, f"r{insn.dst} = {result(insn)}", slot)
        elif kind in (BPF_JMP, BPF_JMP32):
            if operation == BPF_EXIT:
                self.leave(indent, slot, steps, "r0")
                return True
            if operation == BPF_CALL:
                self.call(insn, slot, indent, steps)
            else:
                return self.jump(insn, slot, indent, steps)
        elif kind == BPF_LD and insn.slots == 2:
            self.emit(indent, f"r{insn.dst} = {insn.imm:#x}", slot)
        elif kind == BPF_LD:
            self.emit(indent, f"r0 = {access.packet(insn)}", slot)
            self.emit(indent, "if r0 is None:", slot)
            self.leave(indent + 1, slot, steps, "0")
            self.clobber(indent, slot)
        else:
            place = self.current.frame.get(slot)
            state = self.current.states[slot]
            for line in access.lines(insn, place, state):
                self.emit(indent, line, slot)
        return False

    def jump(self, insn: Instruction, slot: int, indent: int, steps: int) -> bool:
        if is_indirect(insn):
            self.emit(indent, f"n -= {steps}", slot)
            self.emit(indent, "if n < 0: out_of_steps()", slot)
            self.emit(indent, f"b = places.get(r{insn.dst} - {CODE:#x})", slot)
            self.emit(indent, f"if b is None: stray(r{insn.dst})", slot)
            self.emit(indent, "continue", slot)
            return True
        to = target(insn, slot)
        assert to is not None
        operation = insn.opcode & 0xF0
        always = operation == BPF_JA
        if operation == BPF_JCOND:  # leaves the loop when its count has run out
            self.emit(indent, "if again:", slot)
            self.emit(indent + 1, "again -= 1", slot)
            self.emit(indent, "else:", slot)
        elif not always:
            self.emit(indent, f"if {condition(insn)}:", slot)
        inner = indent if always else indent + 1
        self.emit(inner, f"n -= {steps}", slot)
        if to <= slot:
            self.emit(inner, "if n < 0: out_of_steps()", slot)
        self.emit(inner, f"b = {self.number[to]}", slot)
        self.emit(inner, "continue", slot)
        return always

    def call(self, insn: Instruction, slot: int, indent: int, steps: int) -> None:
        if insn.src == BPF_PSEUDO_CALL:
            self.emit(indent, f"machine.left = n - {steps}", slot)
            self.emit(indent, f"r0 = f{slot + 1 + insn.imm}(r1, r2, r3, r4, r5)", slot)
            self.emit(indent, f"n = machine.left + {steps}", slot)
        elif insn.src:
            call = f"kernel_function({insn.imm})(machine, r1, r2, r3, r4, r5)"
            self.emit(indent, f"r0 = ({call} or 0) & 0xFFFFFFFFFFFFFFFF", slot)
        else:
            count = 5 if insn.imm == _VARIADIC else self.arity(insn.imm)
            call = f"helper({insn.imm})(machine{''.join(f', r{n}' for n in range(1, count + 1))})"
            if insn.imm in _CALLS_BACK:
                self.emit(indent, f"machine.left = n - {steps}", slot)
            if insn.imm == _TAIL_CALL:
                self.emit(indent, f"to = {call}", slot)
                self.emit(indent, "if callable(to):", slot)
                self.emit(indent + 1, "leave()", slot)
                self.emit(indent + 1, "return to(r1, None, None, None, None)", slot)
                self.emit(indent, "r0 = to & 0xFFFFFFFFFFFFFFFF", slot)
            else:
                self.emit(indent, f"r0 = ({call} or 0) & 0xFFFFFFFFFFFFFFFF", slot)
            if insn.imm in _CALLS_BACK:
                self.emit(indent, f"n = machine.left + {steps}", slot)
        self.clobber(indent, slot)

    def clobber(self, indent: int, slot: int) -> None:
        self.emit(indent, "r1 = r2 = r3 = r4 = r5 = None", slot)

    def leave(self, indent: int, slot: int, steps: int, value: str) -> None:
        self.emit(indent, f"machine.left = n - {steps}", slot)
        self.emit(indent, "leave()", slot)
        self.emit(indent, f"return {value}", slot)
