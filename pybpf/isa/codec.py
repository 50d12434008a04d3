"""Instructions to bytes and back, little endian (RFC 9669, section 3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from struct import Struct
from struct import error as StructError
from typing import NamedTuple

from pybpf.errors import EncodingError
from pybpf.isa.instruction import Instruction
from pybpf.isa.opcodes import LDDW, REGISTERS
from pybpf.isa.table import Op, by_opcode, find

__all__ = [
    "Undecoded",
    "check",
    "check_targets",
    "decode",
    "decode_lenient",
    "distance",
    "encode",
    "slot_indices",
]

SLOT = 8

_ENCODING = Struct("<BBhi")


class Undecoded(NamedTuple):
    """Bytes (8, or fewer at the end) that are no instruction, and why."""

    raw: bytes
    reason: str

    @property
    def slots(self) -> int:
        """How many units of 8 bytes it takes: always 1."""
        return 1


def encode(instructions: Iterable[Instruction]) -> bytes:
    """The bytes of instructions, 8 or 16 each.

    Raises `EncodingError` for an opcode that is unknown, a reserved field that is set, a number out of range.
    Jumps may leave the code: it need not be a whole program.
    """
    code = bytearray()
    pack = _ENCODING.pack
    for insn in instructions:
        opcode, dst, src, offset, imm = insn
        if find(insn) is None or dst >= REGISTERS or src >= REGISTERS:
            raise EncodingError(_fault(insn), len(code) // SLOT)
        try:
            if opcode == LDDW:
                low, high = imm & 0xFFFF_FFFF, imm >> 32
                first = pack(opcode, src << 4 | dst, offset, low - (low >> 31 << 32))
                code += first + pack(0, 0, 0, high - (high >> 31 << 32))
            else:
                code += pack(opcode, src << 4 | dst, offset, imm)
        except StructError:
            raise EncodingError(_fault(insn), len(code) // SLOT) from None
    return bytes(code)


def decode(code: bytes) -> list[Instruction]:
    """The instructions of a whole program: jumps must end on one of them.

    Raises `EncodingError`, which names the instruction by its position in units of 8 bytes.
    """
    instructions = []
    index = 0
    for item in _scan(code):
        if isinstance(item, Undecoded):
            raise EncodingError(item.reason, index)
        instructions.append(item)
        index += item.slots
    check_targets(instructions)
    return instructions


def decode_lenient(code: bytes) -> list[Instruction | Undecoded]:
    """As `decode`, but goes on after what is no instruction; where jumps end is not checked."""
    return list(_scan(code))


def check(insn: Instruction, index: int | None = None) -> Op:
    """The table's row of an instruction. Raises `EncodingError` when it has no encoding."""
    fault = _fault(insn)
    op = find(insn)
    if fault or op is None:
        raise EncodingError(fault, index)
    return op


def check_targets(instructions: Sequence[Instruction]) -> None:
    """Raise `EncodingError` for a jump, call or function address that does not end on an instruction."""
    starts = slot_indices(instructions)
    known = set(starts)
    size = starts[-1] + instructions[-1].slots if starts else 0
    for index, insn in zip(starts, instructions):
        op = find(insn)
        if op is None or not op.target:
            continue
        target = index + 1 + distance(insn, op)
        if target not in known:
            where = (
                "the middle of a 16-byte instruction" if 0 <= target < size else "a place out of the program"
            )
            verb = "jumps to" if op.target == "offset" or op.name == "gotol" else "refers to a function at"
            raise EncodingError(f"{op.name} {verb} {where} (instruction {target})", index)


def distance(insn: Instruction, op: Op) -> int:
    """How many slots after the next slot the target is."""
    if op.target == "offset":
        return insn.offset
    return (insn.imm & 0xFFFF_FFFF ^ 0x8000_0000) - 0x8000_0000


def slot_indices(items: Iterable[Instruction | Undecoded]) -> list[int]:
    """Where each item starts, in units of 8 bytes."""
    starts, index = [], 0
    for item in items:
        starts.append(index)
        index += item.slots
    return starts


def _scan(code: bytes) -> Iterator[Instruction | Undecoded]:
    size = len(code) - len(code) % SLOT
    slots = list(_ENCODING.iter_unpack(code[:size]))
    index = 0
    while index < len(slots):
        opcode, registers, offset, imm = slots[index]
        reason = ""
        if opcode == LDDW:
            if index + 1 == len(slots):
                reason = "a 16-byte instruction is cut off after 8 bytes"
            elif slots[index + 1][:3] != (0, 0, 0):
                reason = "a 16-byte instruction with reserved fields set in its second half"
            else:
                imm = (slots[index + 1][3] & 0xFFFF_FFFF) << 32 | imm & 0xFFFF_FFFF
        insn = Instruction(opcode, registers & 15, registers >> 4, offset, imm)
        if not reason and (find(insn) is None or insn.dst >= REGISTERS or insn.src >= REGISTERS):
            reason = _fault(insn)
        if reason:
            yield Undecoded(code[index * SLOT : (index + 1) * SLOT], reason)
            index += 1
        else:
            yield insn
            index += insn.slots
    if size < len(code):
        left = len(code) - size
        yield Undecoded(code[size:], f"truncated: {left} byte{'s' * (left > 1)} left, an instruction has 8")


def _fault(insn: Instruction) -> str:
    """What is wrong with an instruction; empty when nothing is."""
    opcode, dst, src, offset, imm = insn
    rows = by_opcode(opcode)
    if not rows:
        return f"unknown opcode {opcode:#04x}"
    name = ", ".join(op.name for op in rows) if len(rows) < 4 else f"{rows[0].name} and so on"
    what = f"opcode {opcode:#04x} ({name})"
    for field, value in zip(("dst", "src", "offset", "imm"), (dst, src, offset, imm)):
        allowed = [getattr(op, field) for op in rows]
        if None in allowed:
            if field in ("dst", "src") and not 0 <= value < REGISTERS:
                return f"{what}: there is no register r{value} in {field}"
        elif value not in allowed:
            wanted = " or ".join(f"{each:#x}" for each in sorted(set(allowed)))
            return f"{what}: {field} is {value:#x}, but must be {wanted}"
    low, high = (0, (1 << 64) - 1) if opcode == LDDW else (-(1 << 31), (1 << 31) - 1)
    for field, value, least, most in (("offset", offset, -(1 << 15), (1 << 15) - 1), ("imm", imm, low, high)):
        if not least <= value <= most:
            return f"{what}: {field} {value} is out of range ({least} to {most})"
    if find(insn) is None:
        return f"{what}: no such combination of src {src:#x}, offset {offset:#x} and imm {imm:#x}"
    return ""
