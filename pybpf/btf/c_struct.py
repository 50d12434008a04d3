"""The C text of a struct or union whose layout under a compiler is that which BTF gives.

A C compiler lays members out by itself; this finds where padding has to be written, and when only
`__attribute__((packed))` gives the true offsets. Source: the System V ABI's rules, as GCC has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pybpf.btf.types import MAX_DEPTH
from pybpf.errors import BtfError

if TYPE_CHECKING:
    from pybpf.btf.types import Member, Type

__all__ = ["Layouts"]


class Layouts:
    """What a compiler would make of the structs of one BTF; each is looked at once."""

    def __init__(self) -> None:
        self._packed: dict[int, bool] = {}

    def alignment(self, type: Type, depth: int = 4 * MAX_DEPTH) -> int:
        """Bytes that a compiler aligns a value of `type` to."""
        if depth < 0:
            raise BtfError(f"damaged BTF: type #{type.id} contains itself")
        type = type.resolve()
        if type.kind == "array":
            return self.alignment(type.target, depth - 1)
        if type.kind in ("struct", "union"):
            if self.packed(type, depth):
                return 1
            return max((self.alignment(m.type, depth - 1) for m in type.all_members()), default=1)
        return _power_of_two(min(type.size, 16) or 1)

    def packed(self, type: Type, depth: int = 4 * MAX_DEPTH) -> bool:
        """Whether a struct needs `packed`: a member, or its end, is not where its alignment asks for."""
        known = self._packed.get(type.id)
        if known is None:
            members = [(member, self.alignment(member.type, depth - 1)) for member in type.all_members()]
            most = max((alignment for _, alignment in members), default=1)
            known = type.size % most != 0 or any(_misplaced(*member) for member in members)
            self._packed[type.id] = known
        return known

    def rows(self, type: Type) -> Iterator[tuple[Member | None, int]]:
        """The members in order, and between them padding: (None, bits).

        Padding never reaches over the end of a byte unless it begins and ends on one. Where members
        overlap, which no compiler lays out, raises `BtfError`.
        """
        members = type.all_members()
        if type.kind == "union":
            for member in members:
                yield from _pad(0, member.bit_offset)
                yield member, 0
            if max((_bits(member) for member in members), default=0) < type.size * 8:
                yield None, type.size * 8
            return
        packed = self.packed(type)
        at = 0
        for member in members:
            start = member.bit_offset
            natural = at if member.bit_size or packed else _round_up(at, 8 * self.alignment(member.type))
            if packed and not member.bit_size:
                natural = _round_up(at, 8)
            if start < at:
                raise BtfError(f"damaged BTF: {type.key} has members that overlap at {member.name!r}")
            if natural != start:
                yield from _pad(at, start)
            yield member, 0
            at = start + _bits(member)
        end = type.size * 8
        if at > end:
            raise BtfError(f"damaged BTF: the members of {type.key} go beyond its {type.size} bytes")
        if _round_up(at, 8 * self.alignment(type)) != end:
            yield from _pad(at, end)


def _bits(member: Member) -> int:
    return member.bit_size or member.type.size * 8


def _misplaced(member: Member, alignment: int) -> bool:
    if member.bit_size:
        # A bit field must not reach over the end of a unit of its type.
        unit = member.type.size * 8
        return unit == 0 or member.bit_offset % unit + member.bit_size > unit
    return member.bit_offset % (alignment * 8) != 0


def _pad(at: int, to: int) -> Iterator[tuple[None, int]]:
    # Bits up to the end of the byte, whole bytes, bits again.
    first = min(-at % 8, to - at)
    whole = (to - at - first) // 8 * 8
    for bits in (first, whole, to - at - first - whole):
        if bits:
            yield None, bits


def _round_up(value: int, unit: int) -> int:
    return (value + unit - 1) // unit * unit


def _power_of_two(value: int) -> int:
    return 1 << value.bit_length() - 1
