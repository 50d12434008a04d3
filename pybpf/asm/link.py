"""From statements to bytes: labels, then maps and kernel functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Union

from pybpf.asm.statement import KernelFunctionRef, LabelRef, MapRef, MapValueRef, Statement, SubprogramRef
from pybpf.errors import AsmError, near
from pybpf.isa import Instruction, encode
from pybpf.isa.opcodes import BPF_JA, BPF_JMP, BPF_JMP32, BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE, LDDW

__all__ = ["Resolver", "link", "resolve_labels"]

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
                raise AsmError(f"instruction {index}: no label {ref.name!r}{near(ref.name, places)}")
            insn = _aim(statement.insn, places[ref.name] - index - 1, ref, index)
            statement = statement._replace(insn=insn, ref=None)
        resolved.append(statement)
        index += statement.insn.slots
    return resolved


def _aim(insn: Instruction, distance: int, ref: LabelRef | SubprogramRef, index: int) -> Instruction:
    if insn.opcode == LDDW:
        return insn._replace(imm=distance & 0xFFFF_FFFF)
    if isinstance(ref, SubprogramRef) or insn.opcode == BPF_JMP32 | BPF_JA:
        return insn._replace(imm=distance)
    if -(1 << 15) <= distance < 1 << 15:
        return insn._replace(offset=distance)
    if insn.opcode == BPF_JMP | BPF_JA:
        return Instruction(BPF_JMP32 | BPF_JA, imm=distance)
    raise AsmError(
        f"instruction {index}: label {ref.name!r} is {distance} instructions away, a conditional jump reaches"
        " -32768 to 32767: jump on the opposite condition over a 'gotol'"
    )


def link(
    statements: Iterable[Statement],
    map_fds: Resolver | None = None,
    kernel_functions: Resolver | None = None,
) -> bytes:
    """The bytes of a program, ready to load.

    `map_fds` gives the descriptor of a map by name, `kernel_functions` the BTF id of a function in the
    kernel's own BTF. Raises `AsmError` for a name that is not known, `EncodingError` as `encode` does.
    """
    instructions = []
    for insn, ref, _, _ in resolve_labels(statements):
        if isinstance(ref, MapRef):
            fd = _resolve(map_fds, ref.name, "map")
            insn = insn._replace(src=BPF_PSEUDO_MAP_FD, imm=fd)
        elif isinstance(ref, MapValueRef):
            fd = _resolve(map_fds, ref.name, "map")
            insn = insn._replace(src=BPF_PSEUDO_MAP_VALUE, imm=ref.offset << 32 | fd)
        elif isinstance(ref, KernelFunctionRef):
            insn = insn._replace(imm=_resolve(kernel_functions, ref.name, "kernel function"))
        instructions.append(insn)
    return encode(instructions)


def _resolve(resolver: Resolver | None, name: str, what: str) -> int:
    if callable(resolver):
        return resolver(name)
    if resolver is None or name not in resolver:
        raise AsmError(f"{what} {name!r} is not known here{near(name, resolver or ())}")
    return resolver[name]
