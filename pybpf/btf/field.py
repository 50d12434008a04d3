"""Where a field lies: C paths through structs, unions and arrays, and how a bit field is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pybpf.errors import BtfError, FieldNotFound, near_names

if TYPE_CHECKING:
    from pybpf.btf.types import Member, Type

__all__ = ["Field", "Load", "find", "names", "trace", "whole"]


class Load:
    """How a field is read: `size` bytes (1, 2, 4, 8) at `offset`, then, in 64 bits, `<< left` and `>> right`.

    The right shift is arithmetic when `signed`. Where there is no bit field the shifts only extend the value.
    """

    __slots__ = ("left", "offset", "right", "signed", "size")

    def __init__(self, offset: int, size: int, left: int, right: int, signed: bool) -> None:
        self.offset = offset
        self.size = size
        self.left = left
        self.right = right
        self.signed = signed

    def __repr__(self) -> str:
        return f"Load({self.offset}, {self.size}, {self.left}, {self.right}, {self.signed})"

    @classmethod
    def of(cls, name: str, type: Type, bit_offset: int, bit_size: int) -> Load:
        """The load of the field `name`; raises `BtfError` when one load can't give it."""
        size, signed = type.size, type.signed
        if not bit_size:
            if size not in (1, 2, 4, 8):
                raise BtfError(f"{name!r} ({type.declaration}, {size} bytes) is not read by one load")
            return cls(bit_offset // 8, size, 64 - 8 * size, 64 - 8 * size, signed)
        if size not in (1, 2, 4, 8):
            raise BtfError(f"damaged BTF: {name!r} is a bit field in a type of {size} bytes")
        # Widen the load until the field lies within it.
        while (start := bit_offset // 8 // size * size) * 8 + size * 8 < bit_offset + bit_size:
            size *= 2
            if size > 8:
                raise BtfError(f"the bit field {name!r} lies across two words of 8 bytes")
        first = bit_offset - start * 8
        left = 64 - first - bit_size if type.btf.byte_order == "little" else 64 - size * 8 + first
        return cls(start, size, left, 64 - bit_size, signed)


class Field:
    """A field as found: `offset` in bytes and `bit_offset` in bits from the outermost start.

    `bit_size` is 0 when it is no bit field. `size` is that of its type, in bytes.
    """

    __slots__ = ("bit_offset", "bit_size", "name", "type")

    def __init__(self, name: str, type: Type, bit_offset: int, bit_size: int) -> None:
        self.name = name
        self.type = type
        self.bit_offset = bit_offset
        self.bit_size = bit_size

    def __repr__(self) -> str:
        bits = f":{self.bit_size}" if self.bit_size else ""
        return f"<field {self.name}{bits} at bit {self.bit_offset}, {self.type.declaration}>"

    @property
    def offset(self) -> int:
        return self.bit_offset // 8

    @property
    def size(self) -> int:
        return self.type.size

    @property
    def load(self) -> Load:
        """The aligned load and the shifts that give its value; raises `BtfError` when one load can't."""
        return Load.of(self.name, self.type, self.bit_offset, self.bit_size)


def find(type: Type, path: str) -> Field:
    """The field at `path`, for `Type.field`."""
    return _walk(type, path, [])


def trace(type: Type, path: str) -> list[Member]:
    """The members through which `path` leads, anonymous ones included, from the outermost in."""
    passed: list[Member] = []
    _walk(type, path, passed)
    return passed


def _walk(type: Type, path: str, passed: list[Member]) -> Field:
    # `passed` collects the members on the way.
    current, bits, bit_size, walked = type, 0, 0, ""
    for step in _steps(path):
        current = current.resolve()
        if isinstance(step, int):
            if current.kind != "array" or (current.count and step >= current.count):
                raise FieldNotFound(type.key, path, _shape(walked, current))
            current = current.target
            bits += step * current.size * 8
            walked += f"[{step}]"
            continue
        if current.kind == "ptr":
            raise BtfError(
                f"the path {path!r} from {type.key} leads through the pointer "
                f"{walked or type.declaration!r}: read the pointer first"
            )
        found = _member(current, step)
        if not found:
            near = near_names(step, names(current))
            prefix = walked + "." if walked else ""
            raise FieldNotFound(type.key, path, [prefix + name for name in near])
        passed += found
        current, bit_size = found[-1].type, found[-1].bit_size
        bits += sum(member.bit_offset for member in found)
        walked += f".{step}" if walked else step
    return Field(path, current, bits, bit_size)


def _shape(walked: str, type: Type) -> list[str]:
    # What can be said instead of an index that is wrong.
    if type.kind != "array":
        return [walked] if walked else []
    return [f"{walked}[{type.count - 1}]"]


def _steps(path: str) -> Iterator[str | int]:
    # "a.b[2].c" -> "a", "b", 2, "c"
    for part in path.split("."):
        name, *indices = part.split("[")
        if name or not indices:
            if not name.isidentifier():
                raise BtfError(f"{path!r} is no path to a field: such as 'd_name.name' or 'comm[0]'")
            yield name
        for index in indices:
            if not (index.endswith("]") and index[:-1].isdecimal()):
                raise BtfError(f"{path!r} is no path to a field: such as 'd_name.name' or 'comm[0]'")
            yield int(index[:-1])


def _member(type: Type, name: str) -> list[Member]:
    # The member of that name, after the anonymous ones that lead to it; empty when there is none. Breadth
    # first, as names are unique in C; each type is looked into once, so damaged BTF can't make this long.
    seen = {type.id}
    level: list[tuple[Type, list[Member]]] = [(type, [])]
    while level:
        deeper = []
        for outer, way in level:
            found = outer.member(name)
            if found is not None:
                return [*way, found]
            for member, inner in _anonymous(outer):
                if inner.id not in seen:
                    seen.add(inner.id)
                    deeper.append((inner, [*way, member]))
        level = deeper
    return []


def _anonymous(type: Type) -> Iterator[tuple[Member, Type]]:
    for member in type.all_members():
        if not member.name:
            inner = member.type.resolve()
            if inner.kind in ("struct", "union"):
                yield member, inner


def names(type: Type) -> list[str]:
    """The names of all fields of `type`: of its members, and of those of anonymous ones within."""
    return [member.name for part in whole(type) for member in part.all_members() if member.name]


def whole(type: Type) -> list[Type]:
    """`type` and the anonymous structs and unions within, whose members are as its own."""
    parts, seen = [type], {type.id}
    for outer in parts:
        for _, inner in _anonymous(outer):
            if inner.id not in seen:
                seen.add(inner.id)
                parts.append(inner)
    return parts
