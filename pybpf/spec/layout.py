"""How data lies in memory: one declaration for the program that stores and the reader that decodes.

A layout is aligned as C aligns it. From the same object come the offsets that code generation uses, the
`construct` struct (`.construct()`), and the flat `struct` format that the event reader unpacks with.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from pybpf.errors import UsageError

if TYPE_CHECKING:
    from construct import Construct

__all__ = [
    "Array",
    "Bits",
    "CString",
    "Field",
    "Int",
    "Layout",
    "Pointer",
    "Struct",
    "Union",
    "align_up",
    "boolean",
]

_FORMATS = {(1, False): "B", (2, False): "H", (4, False): "I", (8, False): "Q"}
_FORMATS.update({(size, True): code.lower() for (size, _), code in list(_FORMATS.items())})


def align_up(value: int, alignment: int) -> int:
    """`value` rounded up to a multiple of `alignment`, a power of two."""
    return (value + alignment - 1) & -alignment


class Layout:
    """Base of all layouts: `name`, `size` and `align` in bytes."""

    __slots__ = ("align", "name", "size")

    def __init__(self, name: str, size: int, align: int) -> None:
        self.name = name
        self.size = size
        self.align = align

    def __repr__(self) -> str:
        return self.name

    @property
    def format(self) -> str:
        """The `struct` code of this value, without a byte order."""
        raise NotImplementedError

    def construct(self) -> Construct[Any, Any]:
        """The `construct` that parses and builds this layout, little endian."""
        raise NotImplementedError


class Int(Layout):
    """An integer of 1, 2, 4 or 8 bytes; `names` is the enum that gives its values names, if any.

    `role` says what a number stands for (`"timestamp"`, `"uid"`, …), for those who show it.
    """

    __slots__ = ("names", "role", "signed")

    def __init__(
        self,
        name: str,
        size: int,
        signed: bool = False,
        names: type[enum.IntEnum | enum.IntFlag] | None = None,
        role: str = "",
    ) -> None:
        super().__init__(name, size, size)
        self.signed = signed
        self.names = names
        self.role = role

    @property
    def format(self) -> str:
        return _FORMATS[self.size, self.signed]

    @property
    def minimum(self) -> int:
        return -(1 << (self.size * 8 - 1)) if self.signed else 0

    @property
    def maximum(self) -> int:
        return (1 << (self.size * 8 - self.signed)) - 1

    def construct(self) -> Construct[Any, Any]:
        import construct

        return construct.BytesInteger(self.size, signed=self.signed, swapped=True)


# 1 in a byte for true, 0 for false.
boolean = Int("bool", 1)


class Pointer(Int):
    """A kernel address, 8 bytes; `declaration` is the C type, such as `struct dentry *`."""

    __slots__ = ("declaration",)

    def __init__(self, declaration: str) -> None:
        super().__init__(declaration, 8)
        self.declaration = declaration


class Bits(Int):
    """A bit field: `width` bits of a `unit`, an Int, from bit `shift` on. `Bits[u32, 3]` makes one.

    A struct finds its place as C does: after the bit field before it if that leaves room in one unit.
    """

    __slots__ = ("shift", "unit", "width")

    def __init__(self, unit: Int, width: int, shift: int = 0) -> None:
        super().__init__(f"{unit.name}:{width}", unit.size, unit.signed, unit.names)
        self.unit = unit
        self.width = width
        self.shift = shift

    def __class_getitem__(cls, key: tuple[Int, int]) -> Bits:
        unit, width = key
        if not isinstance(unit, Int) or not isinstance(width, int) or not 1 <= width <= unit.size * 8:
            raise UsageError(f"Bits[unit, n] are n bits of an integer, such as Bits[u32, 3], not {key!r}")
        return cls(unit, width)

    @property
    def minimum(self) -> int:
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def maximum(self) -> int:
        return (1 << (self.width - self.signed)) - 1

    def extract(self, unit: int) -> int:
        """The field of a unit's bits."""
        value = unit >> self.shift & ((1 << self.width) - 1)
        return value - (1 << self.width) if value > self.maximum else value

    def insert(self, value: int) -> int:
        """The bits of a unit that hold a field."""
        return (value & ((1 << self.width) - 1)) << self.shift


class CString(Layout):
    """Text that ends at the first NUL or at `size` bytes. `CString[16]` makes one."""

    __slots__ = ()

    def __init__(self, size: int) -> None:
        super().__init__(f"CString[{size}]", size, 1)

    def __class_getitem__(cls, size: int) -> CString:
        return cls(_counted(size, "CString[n]"))

    @property
    def format(self) -> str:
        return f"{self.size}s"

    def construct(self) -> Construct[Any, Any]:
        import construct

        return construct.FixedSized(self.size, construct.NullTerminated(construct.GreedyBytes, require=False))


class Array(Layout):
    """`count` elements of one layout. `Array[element, count]` takes a record as its element too."""

    __slots__ = ("count", "element")

    def __init__(self, element: Layout, count: int) -> None:
        super().__init__(f"{element.name}[{count}]", element.size * count, element.align)
        self.element = element
        self.count = count

    def __class_getitem__(cls, key: tuple[Any, int]) -> Array:
        element, count = key
        layout = getattr(element, "layout", element)
        if not isinstance(layout, Layout):
            raise UsageError(
                f"{element!r} can't be an element of Array[...]; of bools and enums write [Op, 8]"
            )
        if isinstance(layout, Bits):
            raise UsageError(
                f"{layout} can't be an element of Array[...]: a bit field is a member of a record"
            )
        return cls(layout, _counted(count, f"Array[{layout.name}, n]"))

    @property
    def format(self) -> str:
        return f"{self.size}s"

    def construct(self) -> Construct[Any, Any]:
        import construct

        return construct.Array(self.count, self.element.construct())


def _counted(count: Any, what: str) -> int:
    if not isinstance(count, int) or count < 1:
        raise UsageError(f"the n of {what} is a number from 1 on, not {count!r}")
    return count


class Field(NamedTuple):
    """A member of a struct; `offset` in bytes from its start."""

    name: str
    layout: Layout
    offset: int


class Struct(Layout):
    """Members one after another, each at its own alignment, padded at the end as C pads.

    `packed`: without any padding, as `__attribute__((packed))` has it.
    """

    __slots__ = ("_by_name", "fields")

    kind = "struct"

    def __init__(self, name: str, members: Iterable[tuple[str, Layout]], *, packed: bool = False) -> None:
        fields = []
        end, align = 0, 1  # in bits, in bytes
        for member, layout in members:
            own = 1 if packed else layout.align
            if isinstance(layout, Bits):
                unit = layout.size * 8
                start = end if end % unit + layout.width <= unit else align_up(end, unit)
                placed = Bits(layout.unit, layout.width, start % unit)
                fields.append(Field(member, placed, start // unit * layout.size))
                end, own = start + layout.width, layout.align
            else:
                offset = align_up(align_up(end, 8) // 8, own)
                fields.append(Field(member, layout, offset))
                end = (offset + layout.size) * 8
            align = max(align, own)
        super().__init__(name, align_up(align_up(end, 8) // 8, align), align)
        self._set(fields)

    def _set(self, fields: Iterable[Field]) -> None:
        self.fields = tuple(fields)
        self._by_name = {field.name: field for field in self.fields}

    def field(self, name: str) -> Field | None:
        """The member of that name, or None."""
        return self._by_name.get(name)

    def gaps(self) -> Iterator[tuple[int, int]]:
        """`(offset, size)` of each run of padding in this struct itself (not in members)."""
        end = 0
        for field in self.fields:
            if field.offset > end:
                yield end, field.offset - end
            end = max(end, field.offset + field.layout.size)
        if self.size > end:
            yield end, self.size - end

    def leaves(self, prefix: str = "", base: int = 0) -> Iterator[Field]:
        """All members that are no structs, with dotted names and offsets from the outermost start."""
        for name, layout, offset in self.fields:
            if isinstance(layout, Struct):
                yield from layout.leaves(f"{prefix}{name}.", base + offset)
            else:
                yield Field(prefix + name, layout, base + offset)

    @property
    def format(self) -> str:
        """One code a leaf, `x` for padding and bit fields: for `struct.Struct("<" + format)`; see `Flat`."""
        text, end = "", 0
        for _, layout, offset in self.leaves():
            if isinstance(layout, Bits):
                continue
            text += f"{offset - end}x" if offset > end else ""
            text += layout.format
            end = offset + layout.size
        return text + (f"{self.size - end}x" if self.size > end else "")

    def construct(self) -> Construct[Any, Any]:
        import construct

        members: list[Any] = []
        end = 0
        for name, layout, offset in self.fields:
            if isinstance(layout, Bits):
                raise UsageError(f"{self.name} has bit fields, which only pybpf.spec.Flat decodes")
            if offset > end:
                members.append(construct.Padding(offset - end))
            members.append(name / layout.construct())
            end = offset + layout.size
        if self.size > end:
            members.append(construct.Padding(self.size - end))
        return construct.Struct(*members)


class Union(Struct):
    """Members that share one place. As a leaf of a struct it is its raw bytes."""

    __slots__ = ()

    kind = "union"

    def __init__(self, name: str, members: Iterable[tuple[str, Layout]]) -> None:
        fields = [Field(member, layout, 0) for member, layout in members]
        align = max((field.layout.align for field in fields), default=1)
        size = max((field.layout.size for field in fields), default=0)
        Layout.__init__(self, name, align_up(size, align), align)
        self._set(fields)

    def leaves(self, prefix: str = "", base: int = 0) -> Iterator[Field]:
        yield Field(prefix.rstrip("."), self, base)

    @property
    def format(self) -> str:
        return f"{self.size}s"

    def construct(self) -> Construct[Any, Any]:
        import construct

        members = [name / layout.construct() for name, layout, _ in self.fields]
        return construct.FixedSized(self.size, construct.Union(0, *members))
