"""Code as the machine takes it: one entry a slot of 8 bytes, all jumps as distances, maps as addresses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Union

from pybpf.asm import KernelFunctionRef, MapRef, MapValueRef, Statement, resolve_labels
from pybpf.errors import EncodingError
from pybpf.isa import Instruction, check_targets, decode, distance, find
from pybpf.vm.flow import writes

__all__ = ["CODE", "Code", "Symbol", "from_bytes", "from_statements"]

# Where the addresses of functions are, as a callback's argument has them: `CODE + 8 * slot`.
CODE = 0xFFFF_FFFF_C000_0000

Symbol = Union[MapRef, MapValueRef, KernelFunctionRef]


class Code(NamedTuple):
    """A program. An entry of `slots` is None in the middle of a 16-byte instruction.

    `entries` has the slots at which functions begin, the program's own, 0, first. `statements` has what each
    slot was made from, for messages.
    """

    slots: tuple[Instruction | None, ...]
    entries: tuple[int, ...]
    statements: tuple[Statement, ...]


def from_bytes(code: bytes) -> Code:
    """A program that refers to no maps. Raises `EncodingError`."""
    return from_statements([Statement(insn) for insn in decode(code)], _unknown)


def _unknown(symbol: Symbol) -> int:
    raise EncodingError(f"nothing is known of {symbol.name!r} here")


def from_statements(statements: Sequence[Statement], address: Callable[[Symbol], int]) -> Code:
    """A program with symbols. `address` of a map or map value; of a kernel function a number for it.

    Raises `EncodingError` for what is no instruction of a program, a write to r10, a jump that ends nowhere,
    and a function that does not end with `exit` or a jump.
    """
    slots: list[Instruction | None] = []
    spread: list[Statement] = []
    entries = {0}
    resolved = resolve_labels(statements)
    check_targets([statement.insn for statement in resolved])
    for written, statement in zip(statements, resolved):
        insn, symbol, start = statement.insn, statement.ref, len(slots)
        if isinstance(symbol, (MapRef, MapValueRef)):
            insn = insn._replace(src=0, imm=address(symbol))
        elif isinstance(symbol, KernelFunctionRef):
            insn = insn._replace(imm=address(symbol))
        op = find(insn)
        if op is None or op.group == "kernel" or 11 in (insn.dst, insn.src):
            raise EncodingError("only the kernel puts this into a program", start)
        if writes(insn) >> 10:
            raise EncodingError("r10, the top of the stack frame, can't be written", start)
        if op.name in ("call_local", "lddw_func"):
            callee = start + 1 + distance(insn, op)
            entries.add(callee)
            if op.name == "lddw_func":
                insn = insn._replace(src=0, imm=CODE + 8 * callee)
        elif op.name.startswith("lddw_"):
            raise EncodingError(f"{op.name} refers to what is not here; a MapRef would be", start)
        slots += [insn, None][: insn.slots]
        spread += [written] * insn.slots
    _check_ends(slots, sorted(entries))
    return Code(tuple(slots), tuple(sorted(entries)), tuple(spread))


def _check_ends(slots: Sequence[Instruction | None], entries: Sequence[int]) -> None:
    """Each function must stay within itself."""
    for entry, end in zip(entries, (*entries[1:], len(slots))):
        last = -1
        for slot in range(entry, end):
            insn = slots[slot]
            if insn is None:
                continue
            last = slot
            op = find(insn)
            if op and op.target and op.name != "call_local":
                to = slot + 1 + distance(insn, op)
                if not entry <= to < end:
                    raise EncodingError(f"{op.name} jumps into another function (instruction {to})", slot)
        final = slots[last] if last >= 0 else None
        op = find(final) if final else None
        if op is None or op.name not in ("exit", "goto", "gotol", "gotox"):
            raise EncodingError("a function ends here without exit", max(last, 0))
