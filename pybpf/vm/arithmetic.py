"""The arithmetic of instructions, as Python expressions over registers that are unsigned 64-bit numbers.

RFC 9669, sections 4.1 to 4.3. What has no short expression in Python is a function at the end, which the
generated code calls.
"""

from __future__ import annotations

from collections.abc import Callable

from pybpf.isa import Instruction
from pybpf.uapi.bpf import (
    BPF_ADD,
    BPF_ALU64,
    BPF_AND,
    BPF_ARSH,
    BPF_DIV,
    BPF_END,
    BPF_JEQ,
    BPF_JGE,
    BPF_JGT,
    BPF_JLE,
    BPF_JLT,
    BPF_JMP,
    BPF_JNE,
    BPF_JSET,
    BPF_JSGE,
    BPF_JSGT,
    BPF_JSLE,
    BPF_JSLT,
    BPF_LSH,
    BPF_MOD,
    BPF_MOV,
    BPF_MUL,
    BPF_NEG,
    BPF_OR,
    BPF_RSH,
    BPF_SUB,
    BPF_X,
    BPF_XOR,
)

__all__ = ["FUNCTIONS", "condition", "oddity", "result", "sign_extend"]

_M64 = "0xFFFFFFFFFFFFFFFF"
_M32 = "0xFFFFFFFF"

_PLAIN = {BPF_ADD: "+", BPF_SUB: "-", BPF_MUL: "*"}
_BITWISE = {BPF_OR: "|", BPF_AND: "&", BPF_XOR: "^"}
_UNSIGNED = {BPF_JEQ: "==", BPF_JNE: "!=", BPF_JGT: ">", BPF_JGE: ">=", BPF_JLT: "<", BPF_JLE: "<="}
_SIGNED = {BPF_JSGT: ">", BPF_JSGE: ">=", BPF_JSLT: "<", BPF_JSLE: "<="}


def sign_extend(text: str, bits: int) -> str:
    """The signed number in the low `bits` of `text`, which must have no others set."""
    sign = f"{1 << bits - 1:#x}"
    return f"(({text} ^ {sign}) - {sign})"


def result(insn: Instruction) -> str:
    """What an ALU instruction puts into its destination register."""
    wide = insn.opcode & 7 == BPF_ALU64
    operation = insn.opcode & 0xF0
    bits, mask = (64, _M64) if wide else (32, _M32)
    by_register = bool(insn.opcode & BPF_X)
    dst = f"r{insn.dst}"
    if operation == BPF_END:
        return _swapped(insn, wide)
    # Operands as unsigned numbers of the operation's width.
    left = dst if wide else f"({dst} & {_M32})"
    if by_register:
        right = f"r{insn.src}" if wide else f"(r{insn.src} & {_M32})"
    else:
        right = str(insn.imm & (1 << bits) - 1)
    if operation == BPF_MOV:
        if not insn.offset or insn.offset == 1:  # 1: a cast between address spaces, which are one here
            return right
        low = f"(r{insn.src} & {(1 << insn.offset) - 1:#x})"
        return f"{sign_extend(low, insn.offset)} & {mask}"
    if operation in _PLAIN:  # the low bits of these depend on the low bits of the operands alone
        low = f"r{insn.src}" if by_register else f"{insn.imm}"
        return f"({dst} {_PLAIN[operation]} {low}) & {mask}"
    if operation in _BITWISE:
        return f"{left} {_BITWISE[operation]} {right}"
    if operation == BPF_NEG:
        return f"-{dst} & {mask}"
    if operation in (BPF_DIV, BPF_MOD):
        if insn.offset:
            return f"{'sdiv' if operation == BPF_DIV else 'smod'}{bits}({left}, {right})"
        return (
            f"{'div' if operation == BPF_DIV else 'mod'}({left}, {right})"
            if by_register
            else (_by_constant(operation, left, insn.imm & (1 << bits) - 1))
        )
    count = f"(r{insn.src} & {bits - 1})" if by_register else str(insn.imm & bits - 1)
    if operation == BPF_LSH:
        return f"{dst} << {count} & {mask}"
    if operation == BPF_RSH:
        return f"{left} >> {count}"
    assert operation == BPF_ARSH
    return f"{sign_extend(left, bits)} >> {count} & {mask}"


def oddity(insn: Instruction) -> str:
    """What the verifier refuses of an ALU instruction, for all that it has a meaning; empty when nothing."""
    operation, bits = insn.opcode & 0xF0, 64 if insn.opcode & 7 == BPF_ALU64 else 32
    if insn.opcode & BPF_X:
        return ""
    if operation in (BPF_DIV, BPF_MOD) and insn.imm == 0:
        return "division by the constant 0"
    if operation in (BPF_LSH, BPF_RSH, BPF_ARSH) and not 0 <= insn.imm < bits:
        return f"shift of {bits} bits by the constant {insn.imm}"
    return ""


def _by_constant(operation: int, left: str, divisor: int) -> str:
    if operation == BPF_DIV:
        return f"{left} // {divisor}" if divisor else "0"
    return f"{left} % {divisor}" if divisor else left


def _swapped(insn: Instruction, wide: bool) -> str:
    low = f"r{insn.dst}" if insn.imm == 64 else f"r{insn.dst} & {(1 << insn.imm) - 1:#x}"
    # BPF_ALU: to little endian keeps the order, to big endian swaps; BPF_ALU64 always swaps.
    return f"swap({low}, {insn.imm // 8})" if wide or insn.opcode & BPF_X else low


def condition(insn: Instruction) -> str:
    """When a conditional jump is taken."""
    wide = insn.opcode & 7 == BPF_JMP
    operation = insn.opcode & 0xF0
    bits = 64 if wide else 32
    left = f"r{insn.dst}" if wide else f"(r{insn.dst} & {_M32})"
    if not insn.opcode & BPF_X:
        number = insn.imm & (1 << bits) - 1
        if operation in _SIGNED:
            return f"{left} ^ {1 << bits - 1:#x} {_SIGNED[operation]} {number ^ 1 << bits - 1}"
        right = str(number)
    else:
        right = f"r{insn.src}" if wide else f"(r{insn.src} & {_M32})"
        if operation in _SIGNED:  # flipping the sign bit makes signed order the unsigned one
            sign = f"{1 << bits - 1:#x}"
            return f"{left} ^ {sign} {_SIGNED[operation]} {right} ^ {sign}"
    if operation == BPF_JSET:
        return f"{left} & {right}"
    return f"{left} {_UNSIGNED[operation]} {right}"


def _div(left: int, right: int) -> int:
    return left // right if right else 0


def _mod(left: int, right: int) -> int:
    return left % right if right else left


def _signed(bits: int) -> tuple[Callable[[int, int], int], Callable[[int, int], int]]:
    sign, mask = 1 << bits - 1, (1 << bits) - 1

    def sdiv(left: int, right: int) -> int:
        """Truncates, where Python's `//` rounds down; the least number divided by -1 is itself."""
        left, right = (left ^ sign) - sign, (right ^ sign) - sign
        quotient = abs(left) // abs(right) if right else 0
        return (-quotient if (left < 0) != (right < 0) else quotient) & mask

    def smod(left: int, right: int) -> int:
        """Has the sign of the dividend, where Python's `%` has the divisor's."""
        left, right = (left ^ sign) - sign, (right ^ sign) - sign
        remainder = abs(left) % abs(right) if right else abs(left)
        return (-remainder if left < 0 else remainder) & mask

    return sdiv, smod


def _swap(value: int, size: int) -> int:
    return int.from_bytes(value.to_bytes(size, "little"), "big")


_sdiv32, _smod32 = _signed(32)
_sdiv64, _smod64 = _signed(64)

# The names that the expressions above use.
FUNCTIONS: dict[str, Callable[[int, int], int]] = {
    "div": _div,
    "mod": _mod,
    "sdiv32": _sdiv32,
    "smod32": _smod32,
    "sdiv64": _sdiv64,
    "smod64": _smod64,
    "swap": _swap,
}
