"""From statements to bytes: labels, then maps and kernel functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Union

from pybpf.asm.statement import KernelFunctionRef, LabelRef, MapRef, MapValueRef, Statement, SubprogramRef
from pybpf.errors import AsmError, near
from pybpf.isa import Instruction, encode
from pybpf.isa.opcodes import BPF_JA, BPF_JMP, BPF_JMP32, BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE, LDDW

__all__ = ["Resolver", "link", "resolve", "resolve_labels"]

# From a name to a number, such as a map's descriptor: a mapping, or a function that knows.
Resolver = Union[Mapping[str, int], Callable[[str], int]]


def resolve_labels(statements: Iterable[Statement]) -> list[Statement]:
    """The statements with each `LabelRef` and `SubprogramRef` made a distance; labels stay for listings.

    A `goto` that is too far for 16 bits becomes `gotol`. Raises `AsmError` for a label that stands twice or
    nowhere, and for a conditional jump that is too far.
    """
    statements = list(statements)
    places: dict[str, int] = {}
    index = 0
    for statement in statements:
        for label in statement.labels:
            if label in places:
                raise AsmError(f"label {label!r} stands at instructions {places[label]} and {index}")
            places[label] = index
        index += statement.insn.slots
    resolved = []
    index = 0
    for statement in statements:
        ref = statement.ref
        if isinstance(ref, (LabelRef, SubprogramRef)):
            if ref.name not in places:
                raise _fault(f"instruction {index}: no label {ref.name!r}{near(ref.name, places)}", statement)
            distance = places[ref.name] - index - 1
            insn = _aim(statement.insn, distance, ref)
            if insn is None:
                raise _fault(
                    f"instruction {index}: label {ref.name!r} is {distance} instructions away, a conditional"
                    " jump reaches -32768 to 32767: jump on the opposite condition over a 'gotol'",
                    statement,
                )
            statement = statement._replace(insn=insn, ref=None)
        resolved.append(statement)
        index += statement.insn.slots
    return resolved


def _aim(insn: Instruction, distance: int, ref: LabelRef | SubprogramRef) -> Instruction | None:
    if insn.opcode == LDDW:
        return insn._replace(imm=distance & 0xFFFF_FFFF)
    if isinstance(ref, SubprogramRef) or insn.opcode == BPF_JMP32 | BPF_JA:
        return insn._replace(imm=distance)
    if -(1 << 15) <= distance < 1 << 15:
        return insn._replace(offset=distance)
    if insn.opcode == BPF_JMP | BPF_JA:
        return Instruction(BPF_JMP32 | BPF_JA, imm=distance)
    return None


def link(
    statements: Iterable[Statement],
    map_fds: Resolver | None = None,
    kernel_functions: Resolver | None = None,
) -> bytes:
    """The bytes of a program, ready to load.

    `map_fds` gives the descriptor of a map by name, `kernel_functions` the BTF id of a function in the
    kernel's own BTF. Raises `AsmError` for a name that is not known, `EncodingError` as `encode` does.
    """
    return encode(resolve(statements, map_fds, kernel_functions))


def resolve(
    statements: Iterable[Statement],
    map_fds: Resolver | None = None,
    kernel_functions: Resolver | None = None,
) -> list[Instruction]:
    """As `link`, but the instructions."""
    instructions = []
    for statement in resolve_labels(statements):
        insn, ref = statement.insn, statement.ref
        if isinstance(ref, MapRef):
            fd = _resolve(map_fds, ref.name, "map", statement)
            insn = insn._replace(src=BPF_PSEUDO_MAP_FD, imm=fd)
        elif isinstance(ref, MapValueRef):
            fd = _resolve(map_fds, ref.name, "map", statement)
            insn = insn._replace(src=BPF_PSEUDO_MAP_VALUE, imm=ref.offset << 32 | fd)
        elif isinstance(ref, KernelFunctionRef):
            insn = insn._replace(imm=_resolve(kernel_functions, ref.name, "kernel function", statement))
        instructions.append(insn)
    return instructions


def _resolve(resolver: Resolver | None, name: str, what: str, statement: Statement) -> int:
    if callable(resolver):
        return resolver(name)
    if resolver is None or name not in resolver:
        raise _fault(f"{what} {name!r} is not known here{near(name, resolver or ())}", statement)
    return resolver[name]


def _fault(message: str, statement: Statement) -> AsmError:
    place = statement.location
    return AsmError(message, place.line, place.column, place.text) if place else AsmError(message)
