"""From the tokens of a line to an instruction: each hole of the table's texts read back, with its range."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pybpf.asm.grammar import Form
from pybpf.asm.lexer import Token
from pybpf.asm.statement import KernelFunctionRef, LabelRef, MapRef, MapValueRef, Ref, SubprogramRef
from pybpf.errors import AsmError
from pybpf.isa import Instruction, Op
from pybpf.isa.opcodes import BPF_ALU64, BPF_JMP32, LDDW, REGISTERS

__all__ = ["Callee", "Operands", "read_operands"]

_U32 = (1 << 32) - 1
_U64 = (1 << 64) - 1


class Callee(NamedTuple):
    """What `call NAME` or `call NAME#NUMBER` says, until it is known whether NAME is a label."""

    name: str
    column: int
    number: int | None = None


class Operands:
    """The fields of an instruction that were read so far; what is no operand has the table's value."""

    def __init__(self, op: Op) -> None:
        self.op = op
        self.fields: dict[str, int] = {}
        self.ref: Ref | None = None
        self.callee: Callee | None = None

    def instruction(self) -> Instruction:
        """The instruction, when all holes are read."""
        fields = (
            self.fields.get(name, getattr(self.op, name) or 0) for name in ("dst", "src", "offset", "imm")
        )
        return Instruction(self.op.opcode, *fields)


_Reader = Callable[[Operands, Token], None]


def read_operands(form: Form, tokens: list[Token]) -> Operands:
    """Fill the form's holes from the tokens. Raises `AsmError` (without the line)."""
    operands = Operands(form.op)
    for position, number in form.fixed:
        token = tokens[position]
        if token.value != number:
            raise AsmError(f"found {token.text!r}, expected '{token.kind}{number}'", 0, token.column)
    for position, hole in form.holes:
        _READERS[hole](operands, tokens[position])
    return operands


def _within(token: Token, least: int, most: int, cure: str = "") -> int:
    if not least <= token.value <= most:
        raise AsmError(f"{token.value} is out of range ({least} to {most}){cure}", 0, token.column)
    return token.value


def _signed(token: Token) -> Token:
    if not token.signed:
        raise AsmError(f"found {token.text!r}, expected its sign, such as '+{token.text}'", 0, token.column)
    return token


def _register(field: str) -> _Reader:
    def read(operands: Operands, token: Token) -> None:
        if token.value >= REGISTERS:
            raise AsmError(f"there is no register {token.text}: a program has r0 to r10", 0, token.column)
        before = operands.fields.setdefault(field, token.value)
        if before != token.value:
            raise AsmError(
                f"found {token.text!r}, expected '{token.kind}{before}' as before", 0, token.column
            )

    return read


def _offset(operands: Operands, token: Token) -> None:
    operands.fields["offset"] = _within(_signed(token), -(1 << 15), (1 << 15) - 1)


def _imm(operands: Operands, token: Token) -> None:
    # Here a number is sign-extended to 64 bits, so one with bit 31 set would silently become another.
    wide = operands.op.opcode & 7 == BPF_ALU64 and operands.op.name.startswith("mov")
    cure = f": write 'r{operands.fields.get('dst')} = {token.text} ll'" if wide else ""
    operands.fields["imm"] = _within(token, -(1 << 31), (1 << 31) - 1, cure)


def _imm32(operands: Operands, token: Token) -> None:
    number = _within(token, -(1 << 31), _U32)
    operands.fields["imm"] = number - (number >> 31 << 32) if number > 0 else number


def _hex(operands: Operands, token: Token) -> None:
    # The kernel writes -1 as 0xffffffff here; a decimal number means itself.
    narrow = operands.op.opcode & 7 == BPF_JMP32
    if narrow or "x" in token.text.lower():
        _imm32(operands, token)
    else:
        _imm(operands, token)


def _imm64(operands: Operands, token: Token) -> None:
    operands.fields["imm"] = _within(token, -(1 << 63), _U64) & _U64


def _low(operands: Operands, token: Token) -> None:
    operands.fields["imm"] = operands.fields.get("imm", 0) | _within(token, 0, _U32)


def _upper(operands: Operands, token: Token) -> None:
    number = _within(token, 0, _U32)
    if isinstance(operands.ref, MapValueRef):
        operands.ref = operands.ref._replace(offset=number)
    else:
        operands.fields["imm"] = operands.fields.get("imm", 0) | number << 32


def _half(shift: int) -> _Reader:
    def read(operands: Operands, token: Token) -> None:
        imm = operands.fields.get("imm", 0) & _U32 | _within(token, 0, 0xFFFF) << shift
        operands.fields["imm"] = imm - (imm >> 31 << 32)

    return read


def _distance(operands: Operands, token: Token) -> None:
    field = operands.op.target
    bits = 16 if field == "offset" else 32
    number = _within(_signed(token), -(1 << bits - 1), (1 << bits - 1) - 1)
    operands.fields[field] = number & _U32 if operands.op.opcode == LDDW else number


def _label(operands: Operands, token: Token) -> None:
    operands.ref = SubprogramRef(token.text) if operands.op.opcode == LDDW else LabelRef(token.text)


def _callee(operands: Operands, token: Token) -> None:
    operands.callee = Callee(token.text, token.column)


def _id(operands: Operands, token: Token) -> None:
    _imm(operands, token)
    if operands.callee is not None:
        operands.callee = operands.callee._replace(number=token.value)


def _name(operands: Operands, token: Token) -> None:
    refs = {"lddw_map_fd": MapRef, "lddw_map_value": MapValueRef}
    operands.ref = refs.get(operands.op.name, KernelFunctionRef)(token.text)


def _ignored(operands: Operands, token: Token) -> None:
    pass


def _btf_fd(operands: Operands, token: Token) -> None:
    operands.fields["offset"] = _within(token, -(1 << 15), (1 << 15) - 1)


_READERS: dict[str, _Reader] = {
    "dst": _register("dst"),
    "src": _register("src"),
    "offset": _offset,
    "imm": _imm,
    "imm32": _imm32,
    "signed": lambda operands, token: _imm(operands, _signed(token)),
    "hex": _hex,
    "imm64": _imm64,
    "low": _low,
    "upper": _upper,
    "high": lambda operands, token: _upper(operands, _signed(token)),
    "to": _half(16),
    "from": _half(0),
    "distance": _distance,
    "label": _label,
    "callee": _callee,
    "id": _id,
    "fd": _btf_fd,
    "name": _name,
    "symbol": _ignored,
    "address": _ignored,
}
