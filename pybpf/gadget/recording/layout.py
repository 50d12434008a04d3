"""Layouts as JSON, and back: what a recording says about its records.

What is read may come from anybody: sizes have limits, and names are Python's.
"""

from __future__ import annotations

import enum
from typing import Any

from pybpf.errors import BpfError
from pybpf.gadget.net import Address
from pybpf.spec import Array, Bits, CString, Int, Layout, Struct, Union

__all__ = ["as_json", "from_json"]

_DEEPEST, _MEMBERS, _LONGEST = 16, 1024, 1 << 16


def as_json(layout: Layout) -> dict[str, Any]:
    """A layout as JSON has it."""
    if isinstance(layout, Bits):
        return {"bits": layout.width, "of": as_json(layout.unit)}
    if isinstance(layout, Int):
        made: dict[str, Any] = {"int": layout.name, "size": layout.size, "signed": layout.signed}
        if layout.role:
            made["role"] = layout.role
        if layout.names is not None:
            members = {name: int(member) for name, member in layout.names.__members__.items()}
            made["enum" if issubclass(layout.names, enum.IntEnum) else "flags"] = members
        return made
    if isinstance(layout, CString):
        return {"text": layout.size}
    if isinstance(layout, Address):
        return {"address": layout.size}
    if isinstance(layout, Array):
        return {"array": layout.count, "of": as_json(layout.element)}
    if not isinstance(layout, Struct):
        raise BpfError(f"a {layout.name} can't be recorded")
    members_of = [[name, as_json(member)] for name, member, _ in layout.fields]
    packed = layout.align == 1 and any(member.align > 1 for _, member, _ in layout.fields)
    return {layout.kind: layout.name, "members": members_of, "packed": packed}


def from_json(value: Any) -> Struct:
    """The struct that `as_json` made this of. Raises ValueError for anything else."""
    layout = _layout(value, 0)
    if not isinstance(layout, Struct) or not list(layout.leaves()):
        raise ValueError("it's no struct")
    return layout


def _layout(value: Any, depth: int) -> Layout:
    if not isinstance(value, dict) or depth > _DEEPEST:
        raise ValueError("it's no layout")
    if "int" in value:
        return _int(value)
    if "text" in value:
        return CString(_number(value["text"], _LONGEST))
    if "address" in value:
        return Address()
    if "array" in value:
        return _small(Array(_layout(value["of"], depth + 1), _number(value["array"], _LONGEST)))
    if "bits" in value:
        unit = _layout(value["of"], depth + 1)
        if not isinstance(unit, Int):
            raise ValueError("its bits are of no number")
        return Bits(unit, _number(value["bits"], unit.size * 8))
    kind = "union" if "union" in value else "struct"
    members = [(_name(name), _layout(member, depth + 1)) for name, member in value["members"]]
    if len(members) > _MEMBERS or len({name for name, _ in members}) < len(members):
        raise ValueError("it has too many members, or one twice")
    if kind == "union":
        return _small(Union(_name(value[kind]), members))
    return _small(Struct(_name(value[kind]), members, packed=value["packed"] is True))


def _int(value: dict[str, Any]) -> Int:
    size = value["size"]
    if size not in (1, 2, 4, 8):
        raise ValueError("a number has no such size")
    names: Any = None
    kinds: dict[str, Any] = {"enum": enum.IntEnum, "flags": enum.IntFlag}
    for key in kinds.keys() & value.keys():
        names = kinds[key]("Names", _members(value[key]))
    return Int(_name(value["int"]), size, value["signed"] is True, names, str(value.get("role", "")))


def _members(value: dict[str, Any]) -> list[tuple[str, int]]:
    members = [(_name(name), int(member)) for name, member in value.items()]
    if len(members) > _MEMBERS or any(name.startswith("_") or name == "mro" for name, _ in members):
        raise ValueError("an enum has no such names")
    return members


def _name(text: Any) -> str:
    if not isinstance(text, str) or not text.isidentifier() or not text.isascii() or len(text) > 256:
        raise ValueError("a name is none")
    return text


def _number(value: Any, most: int) -> int:
    if type(value) is not int or not 1 <= value <= most:
        raise ValueError("a size is too large, or none")
    return value


def _small(layout: Layout) -> Layout:
    if layout.size > _LONGEST:
        raise ValueError("it's too large")
    return layout
