"""`construct` structs out of BTF: memory of the kernel's, or a map's value, by field names.

A struct becomes a construct that parses to a Container with all its fields, those of unnamed structs and
unions among them, and builds from a dict (fields that are not given are zero). Pointers are integers,
enums are `construct.Enum`, `char[N]` is bytes up to the first NUL, a flexible array is empty.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import construct

from pybpf.btf.types import MAX_DEPTH, Type
from pybpf.errors import BtfError

__all__ = ["Fields", "construct_of"]

_CODES = {1: "B", 2: "H", 4: "L", 8: "Q"}
_FLOATS = {4: "f", 8: "d"}

# More values in one struct than any kernel's has: damaged BTF, whose structs contain themselves.
_MOST = 1 << 20


def construct_of(type: Type) -> Any:
    """The construct of a type that has a size; raises `BtfError` for the others."""
    return _Maker().make(type, MAX_DEPTH)[0]


class _Field(NamedTuple):
    name: str
    inner: Any
    offset: int
    size: int


class _BitField(NamedTuple):
    """Bits within whole bytes: from `offset` on, `size` of them, as a number that ends `shift` bits up."""

    name: str
    offset: int
    size: int
    shift: int
    bits: int
    signed: bool
    order: Any

    def get(self, data: bytes) -> int:
        word = int.from_bytes(data[self.offset : self.offset + self.size], self.order)
        value = word >> self.shift & (1 << self.bits) - 1
        return value - (1 << self.bits) if self.signed and value >> self.bits - 1 else value

    def put(self, data: memoryview, value: int, path: str) -> None:
        low = -(1 << self.bits - 1) if self.signed else 0
        if not low <= value < low + (1 << self.bits):
            message = f"{self.name!r} is a bit field of {self.bits} bits: {value} does not fit"
            raise construct.IntegerError(message, path=path)
        place = slice(self.offset, self.offset + self.size)
        mask = (1 << self.bits) - 1
        word = int.from_bytes(data[place], self.order) & ~(mask << self.shift)
        data[place] = (word | (value & mask) << self.shift).to_bytes(self.size, self.order)


def _bit_field(name: str, type: Type, at: int, bits: int) -> _BitField:
    start, end = at // 8, (at + bits + 7) // 8
    order = type.btf.byte_order
    shift = at - start * 8 if order == "little" else end * 8 - at - bits
    return _BitField(name, start, end - start, shift, bits, type.signed, order)


class _Maker:
    # Each struct is made once; with each construct goes the number of values in it.

    def __init__(self) -> None:
        self._made: dict[int, tuple[Any, int]] = {}

    def make(self, type: Type, depth: int) -> tuple[Any, int]:
        type = type.resolve()
        if type.id not in self._made:
            if depth < 0:
                raise BtfError(f"damaged BTF: type #{type.id} contains itself")
            self._made[type.id] = self._make(type, depth - 1)
        return self._made[type.id]

    def _make(self, type: Type, depth: int) -> tuple[Any, int]:
        if type.kind in ("struct", "union"):
            fields, count = self._fields(type, 0, depth)
            for field in fields:
                if field.size and field.offset + field.size > type.size:
                    raise BtfError(f"damaged BTF: {field.name!r} goes beyond the end of {type.key}")
            return Fields(type, fields), count
        if type.kind == "array":
            element = type.target.resolve()
            if element.kind == "int" and element.name == "char" and element.size == 1:
                return _Text(type.count), 1
            inner, count = self.make(element, depth)
            if count * type.count > _MOST:
                # An array larger than anyone wants as a list, such as a table of the kernel's.
                return construct.Bytes(type.size), 1
            return construct.Array(type.count, inner), count * type.count
        return _scalar(type), 1

    def _fields(self, type: Type, base: int, depth: int) -> tuple[list[_Field | _BitField], int]:
        if depth < 0:
            raise BtfError(f"damaged BTF: type #{type.id} contains itself")
        found: list[_Field | _BitField] = []
        total = 0
        for member in type.all_members():
            at, count = base + member.bit_offset, 1
            inner = member.type.resolve()
            if not member.name and inner.kind in ("struct", "union"):
                deeper, count = self._fields(inner, at, depth - 1)
                found += deeper
            elif member.bit_size:
                found.append(_bit_field(member.name, member.type, at, member.bit_size))
            elif member.name:
                made, count = self.make(inner, depth)
                found.append(_Field(member.name, made, at // 8, inner.size))
            total += count
            if total > _MOST:
                raise BtfError(f"damaged BTF: type #{type.id} has no end to the structs within")
        return found, total


def _scalar(type: Type) -> Any:
    order = "<" if type.btf.byte_order == "little" else ">"
    if type.kind == "float" and type.size in _FLOATS:
        return construct.FormatField(order, _FLOATS[type.size])
    if type.encoding == 4 and type.size == 1:
        return construct.Flag
    if not type.size:
        raise BtfError(f"{type.declaration} is a {type.kind} without a size: nothing can be decoded")
    if type.kind not in ("int", "ptr", "enum", "enum64"):
        return construct.Bytes(type.size)
    if type.size in _CODES:
        code = _CODES[type.size]
        number = construct.FormatField(order, code.lower() if type.signed else code)
    else:
        number = construct.BytesInteger(type.size, signed=type.signed, swapped=order == "<")
    values = {value.name: value.value for value in type.values}
    return construct.Enum(number, **values) if values else number


class _Text(construct.Construct):  # type: ignore[misc]
    """`char[size]`: bytes up to the first NUL, or all of them."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        return construct.stream_read(stream, self.size, path).partition(b"\0")[0]

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        if len(obj) > self.size:
            raise construct.StringError(f"{obj!r} does not fit in {self.size} bytes", path=path)
        construct.stream_write(stream, bytes(obj).ljust(self.size, b"\0"), self.size, path)
        return obj

    def _sizeof(self, context: Any, path: str) -> int:
        return self.size


class Fields(construct.Construct):  # type: ignore[misc]
    """A struct or union of which each field is at its own offset: they may overlap, and be bits."""

    def __init__(self, type: Type, fields: list[_Field | _BitField]) -> None:
        super().__init__()
        self.name = type.name
        self.size = type.size
        self.fields = fields

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        data = construct.stream_read(stream, self.size, path)
        found = construct.Container()
        for field in self.fields:
            if isinstance(field, _BitField):
                found[field.name] = field.get(data)
            else:
                found[field.name] = field.inner.parse(data[field.offset : field.offset + field.size])
        return found

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        data = bytearray(self.size)
        self._fill(memoryview(data), obj or {}, path)
        construct.stream_write(stream, bytes(data), self.size, path)
        return obj

    def _fill(self, data: memoryview, values: Any, path: str) -> None:
        # A struct within writes its fields only, so that in a union it does not clear what others wrote.
        for field in self.fields:
            if field.name not in values:
                continue
            value = values[field.name]
            if isinstance(field, _BitField):
                field.put(data, int(value), path)
            elif isinstance(field.inner, Fields):
                field.inner._fill(data[field.offset : field.offset + field.size], value, path)
            else:
                data[field.offset : field.offset + field.size] = field.inner.build(value)

    def _sizeof(self, context: Any, path: str) -> int:
        return self.size
