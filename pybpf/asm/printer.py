"""Statements to text: the canonical form, which is the kernel's made unambiguous.

A hole of the table's texts is filled here by the function of its name in `_HOLES`; the reader has one that
reads it back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pybpf.asm.helpers import helper_name
from pybpf.asm.statement import (
    KernelFunctionRef,
    KernelSymbol,
    LabelRef,
    MapRef,
    MapValueRef,
    Ref,
    Statement,
    SubprogramRef,
)
from pybpf.errors import EncodingError
from pybpf.isa import Instruction, Op, check, distance

__all__ = ["format_instruction", "format_statement", "format_statements"]


def format_statements(statements: Iterable[Statement]) -> list[str]:
    """Lines of text: `name:` for each label, instructions indented by four. `parse` reads them back."""
    lines = []
    for statement in statements:
        lines += [f"{label}:" for label in statement.labels]
        lines.append("    " + format_statement(statement))
    return lines


def format_statement(statement: Statement) -> str:
    """The instruction alone, such as `r1 = map[starts]` or `if r0 == 0x0 goto out`; labels are left out."""
    return format_instruction(statement.insn, statement.ref)


def format_instruction(insn: Instruction, ref: Ref | None = None) -> str:
    """The text of an instruction. Raises `EncodingError` when it is none, or can't refer to `ref`."""
    op = check(insn)
    if ref is not None and not _takes(op, ref):
        raise EncodingError(f"{op.name} can't refer to {ref}")
    text = op.symbol if isinstance(ref, (MapRef, MapValueRef, KernelFunctionRef)) else op.text
    return text.format_map(_Holes(insn, op, ref))


def _takes(op: Op, ref: Ref) -> bool:
    if isinstance(ref, LabelRef):
        return op.target != "" and op.name not in ("call_local", "lddw_func")
    if isinstance(ref, SubprogramRef):
        return op.name in ("call_local", "lddw_func")
    if isinstance(ref, KernelSymbol):
        return op.name == "call"
    return op.name == {MapRef: "lddw_map_fd", MapValueRef: "lddw_map_value"}.get(type(ref), "call_kernel")


class _Holes(dict[str, object]):
    # Fills holes on demand: most texts have two or three of them.
    def __init__(self, insn: Instruction, op: Op, ref: Ref | None) -> None:
        self.insn, self.op, self.ref = insn, op, ref

    def __missing__(self, name: str) -> object:
        return _HOLES[name](self)


def _target(holes: _Holes) -> str:
    if isinstance(holes.ref, (LabelRef, SubprogramRef)):
        return holes.ref.name
    return f"pc{distance(holes.insn, holes.op):+d}"


def _helper(holes: _Holes) -> str:
    name = holes.ref.name if isinstance(holes.ref, KernelSymbol) else helper_name(holes.insn.imm)
    return f"{name}#{holes.insn.imm}"


def _high(holes: _Holes) -> str:
    offset = holes.ref.offset if isinstance(holes.ref, MapValueRef) else holes.insn.imm >> 32
    return f"+{offset}"


def _imm64(holes: _Holes) -> str:
    # Addresses and bit patterns read better in hexadecimal.
    imm = holes.insn.imm
    return str(imm) if imm < 1 << 32 else f"{imm:#x}"


_HOLES: dict[str, Callable[[_Holes], object]] = {
    "dst": lambda holes: holes.insn.dst,
    "src": lambda holes: holes.insn.src,
    "offset": lambda holes: f"{holes.insn.offset:+d}",
    "imm": lambda holes: holes.insn.imm,
    "imm32": lambda holes: holes.insn.imm,
    "signed": lambda holes: f"{holes.insn.imm:+d}",
    "hex": lambda holes: f"{holes.insn.imm & 0xFFFF_FFFF:#x}",
    "imm64": _imm64,
    "low": lambda holes: holes.insn.imm & 0xFFFF_FFFF,
    "upper": lambda holes: holes.insn.imm >> 32,
    "high": _high,
    "to": lambda holes: holes.insn.imm >> 16 & 0xFFFF,
    "from": lambda holes: holes.insn.imm & 0xFFFF,
    "target": _target,
    "function": _target,
    "helper": _helper,
    "btf_fd": lambda holes: f" btf[{holes.insn.offset}]" if holes.insn.offset else "",
    "name": lambda holes: getattr(holes.ref, "name", ""),
}
