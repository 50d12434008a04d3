"""CO-RE: what a type, field or enum value of one BTF is in another, by name (Linux's bpf_core_relo_kind).

The *local* BTF is an object's, with the types as its author knew them; the *target* is a kernel's. Names are
compared without a flavour: `struct task_struct___old` is any `struct task_struct`. Where several types of the
target fit, all must give the same answer.
Source: include/uapi/linux/bpf.h (enum bpf_core_relo_kind, struct bpf_core_relo) and what libbpf does with it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import TYPE_CHECKING, Union

from pybpf.btf.core_match import essential_name, fields_fit, kinds_fit, matches, types_fit
from pybpf.btf.field import Field, find
from pybpf.errors import BpfError, BtfError

if TYPE_CHECKING:
    from pybpf.btf.graph import Btf
    from pybpf.btf.types import Type

__all__ = ["Relocation", "candidates", "relocate"]


class Relocation(enum.IntEnum):
    """What is asked; values as in `enum bpf_core_relo_kind`."""

    FIELD_BYTE_OFFSET = 0
    FIELD_BYTE_SIZE = 1
    FIELD_EXISTS = 2
    FIELD_SIGNED = 3
    FIELD_LSHIFT_U64 = 4
    FIELD_RSHIFT_U64 = 5
    TYPE_ID_LOCAL = 6
    TYPE_ID_TARGET = 7
    TYPE_EXISTS = 8
    TYPE_SIZE = 9
    ENUMVAL_EXISTS = 10
    ENUMVAL_VALUE = 11
    TYPE_MATCHES = 12


_EXISTENCE = (
    Relocation.FIELD_EXISTS,
    Relocation.TYPE_EXISTS,
    Relocation.TYPE_MATCHES,
    Relocation.ENUMVAL_EXISTS,
)

# Where a field lies: the struct's index as of an array, then names and indices (`next`, 3).
_Steps = list[Union[str, int]]


def candidates(target: Btf, local: Type) -> Iterator[Type]:
    """The types of `target` that have the name of `local`, flavours aside, and its kind."""
    name = essential_name(local.name)
    if not name:
        return
    keys = {"int": name, "typedef": name, "float": name}
    word = local.key.partition(" ")[0]
    for type in target.all(keys.get(local.kind, f"{word} {name}")):
        if kinds_fit(local, type):
            yield type


def relocate(kind: Relocation, local: Type, access: str, target: Btf) -> int | None:
    """The answer to one question about `local` and the place `access` in it, in the types of `target`.

    `access` is the text of a relocation's record: `0` for a type, the index of an enum's value, and for
    fields indices of members and elements, `0:2:1`. None: there is no such thing, and an instruction that
    depends on it must not run. Raises `BtfError` for an access that `local` does not have, and when
    candidates disagree.
    """
    if kind == Relocation.TYPE_ID_LOCAL:
        return local.id
    steps = _indices(access)
    found: dict[int, Type] = {}
    for type in candidates(target, local):
        answer = _answer(kind, local, steps, type)
        if answer is not None:
            found.setdefault(answer, type)
    if len(found) > 1:
        answers = " and ".join(f"{answer} (#{type.id})" for answer, type in found.items())
        raise BtfError(f"{local.key}: {kind.name} is ambiguous in this kernel: {answers}")
    return next(iter(found), 0 if kind in _EXISTENCE else None)


def _indices(access: str) -> list[int]:
    steps = access.split(":")
    if not all(step.isdecimal() for step in steps):
        raise BtfError(f"{access!r} is no access of a CO-RE relocation: such as 0:2:1")
    return [int(step) for step in steps]


def _answer(kind: Relocation, local: Type, steps: list[int], type: Type) -> int | None:
    if kind < Relocation.TYPE_ID_LOCAL:
        return _of_field(kind, _place(local, steps), type, local)
    if kind in (Relocation.ENUMVAL_EXISTS, Relocation.ENUMVAL_VALUE):
        return _of_value(kind, local, steps[0], type)
    if kind == Relocation.TYPE_MATCHES:
        return int(matches(local, type)) or None
    if not types_fit(local, type):
        return None
    return {Relocation.TYPE_EXISTS: 1, Relocation.TYPE_SIZE: type.size}.get(kind, type.id)


def _of_value(kind: Relocation, local: Type, index: int, type: Type) -> int | None:
    values = local.resolve().values
    if index >= len(values):
        raise BtfError(f"{local.key} has {len(values)} values: there is no number {index}")
    name = essential_name(values[index].name)
    found = next((v for v in type.resolve().values if essential_name(v.name) == name), None)
    if found is None:
        return None
    return 1 if kind == Relocation.ENUMVAL_EXISTS else found.value


def _place(local: Type, indices: list[int]) -> tuple[int, _Steps, Type]:
    # The first index (as of an array of the type), the steps by name, and the type at their end.
    type, steps = local.resolve(), _Steps()
    for index in indices[1:]:
        if type.kind in ("struct", "union"):
            members = type.all_members()
            if index >= len(members):
                raise BtfError(f"{type.key} has {len(members)} members: there is no number {index}")
            if members[index].name:
                steps.append(members[index].name)
            type = members[index].type.resolve()
        elif type.kind == "array":
            steps.append(index)
            type = type.target.resolve()
        else:
            raise BtfError(f"{local.key}: an access goes into a {type.kind}, which has no members")
    return indices[0], steps, type


def _of_field(kind: Relocation, place: tuple[int, _Steps, Type], type: Type, local: Type) -> int | None:
    first, steps, end = place
    base = first * type.size * 8
    path = ""
    for step in steps:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    try:
        field = find(type, path.lstrip(".")) if path else Field("", type, 0, 0)
        if not fields_fit(end, field.type):
            return None
    except BpfError:
        return None
    if kind == Relocation.FIELD_EXISTS:
        return 1
    if kind == Relocation.FIELD_BYTE_OFFSET and not field.bit_size:
        return (base + field.bit_offset) // 8
    if kind == Relocation.FIELD_BYTE_SIZE and not field.bit_size:
        return field.size
    if kind == Relocation.FIELD_SIGNED:
        return int(field.type.signed)
    load = Field(field.name, field.type, base + field.bit_offset, field.bit_size).load
    return {
        Relocation.FIELD_BYTE_OFFSET: load.offset,
        Relocation.FIELD_BYTE_SIZE: load.size,
        Relocation.FIELD_LSHIFT_U64: load.left,
        Relocation.FIELD_RSHIFT_U64: load.right,
    }[kind]
