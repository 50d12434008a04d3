"""One instruction, as data."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Instruction"]


class Instruction(NamedTuple):
    """An eBPF instruction (RFC 9669, section 3).

    `offset` is signed 16 bits and `imm` signed 32 bits; of the 16-byte immediate load (opcode 0x18), `imm`
    is all 64 bits, unsigned, and the instruction takes two slots of 8 bytes.
    """

    opcode: int
    dst: int = 0
    src: int = 0
    offset: int = 0
    imm: int = 0

    @property
    def slots(self) -> int:
        """How many units of 8 bytes it takes: 1, or 2 for the 16-byte immediate load."""
        return 2 if self.opcode == 0x18 else 1
