"""Where control goes in one program's code."""

from __future__ import annotations

from collections.abc import Iterable

from pybpf.asm import Statement, resolve_labels
from pybpf.isa import Instruction, distance, find, slot_indices
from pybpf.isa.opcodes import (
    BPF_CALL,
    BPF_EXIT,
    BPF_JA,
    BPF_JMP,
    BPF_JMP32,
    BPF_PSEUDO_CALL,
    BPF_PSEUDO_FUNC,
    LDDW,
)

__all__ = ["Code"]

_CALL = BPF_JMP | BPF_CALL


class Code:
    """Statements with their jumps resolved; a position counts statements, not slots of 8 bytes."""

    def __init__(self, statements: Iterable[Statement]) -> None:
        self.statements = resolve_labels(statements)
        self._slots = slot_indices([statement.insn for statement in self.statements])
        self._positions = {slot: position for position, slot in enumerate(self._slots)}

    def successors(self, position: int) -> tuple[int, ...]:
        """The positions that may follow: none after `exit`, two after a conditional jump."""
        insn = self.statements[position].insn
        operation = insn.opcode & 0xF0
        if insn.opcode & 7 not in (BPF_JMP, BPF_JMP32) or operation == BPF_CALL:
            return (position + 1,)
        if operation == BPF_EXIT:
            return ()
        target = self._target(position, insn)
        return (target,) if operation == BPF_JA else (position + 1, target)

    def subprogram(self, position: int) -> int | None:
        """Where the subprogram begins that a statement calls, or takes the address of."""
        insn = self.statements[position].insn
        if (insn.opcode, insn.src) in ((_CALL, BPF_PSEUDO_CALL), (LDDW, BPF_PSEUDO_FUNC)):
            return self._target(position, insn)
        return None

    def _target(self, position: int, insn: Instruction) -> int:
        op = find(insn)
        assert op is not None
        return self._positions[self._slots[position] + 1 + distance(insn, op)]
