"""The instruction set: RFC 9669 and what Linux adds.

`encode(instructions) -> bytes` and `decode(code) -> list[Instruction]` are the two ways; `pybpf.isa.opcodes`
has the numbers under the kernel's names, `pybpf.isa.table` a row for each instruction.
"""

from pybpf.isa.codec import (
    Undecoded,
    check,
    check_targets,
    decode,
    decode_lenient,
    distance,
    encode,
    slot_indices,
)
from pybpf.isa.instruction import Instruction
from pybpf.isa.loaded import decode_loaded
from pybpf.isa.table import OPS, Op, by_opcode, find

__all__ = [
    "OPS",
    "Instruction",
    "Op",
    "Undecoded",
    "by_opcode",
    "check",
    "check_targets",
    "decode",
    "decode_lenient",
    "decode_loaded",
    "distance",
    "encode",
    "find",
    "slot_indices",
]
