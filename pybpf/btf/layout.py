"""How a struct lies in memory, as pahole shows it: offsets, sizes, holes, padding, cache lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pybpf.btf.types import MAX_DEPTH
from pybpf.errors import BtfError

if TYPE_CHECKING:
    from pybpf.btf.types import Member, Type

__all__ = ["CACHE_LINE", "gaps", "show"]

CACHE_LINE = 64
_COLUMN = 48


def gaps(type: Type) -> Iterator[tuple[int, int]]:
    """(bit offset, bits) of each run of bits in a struct, and at its end, that belongs to no member."""
    at = 0
    if type.kind == "struct":
        for member in sorted(type.all_members(), key=lambda member: member.bit_offset):
            if member.bit_offset > at:
                yield at, member.bit_offset - at
            at = max(at, member.bit_offset + _bits(member))
    else:
        at = max((member.bit_offset + _bits(member) for member in type.all_members()), default=0)
    if type.size * 8 > at:
        yield at, type.size * 8 - at


def show(type: Type) -> str:
    """The text of a struct or union with `/* offset size */` beside each member, and its holes.

    Of bit fields, `offset: first bit  bits`. Structs without a name are written out.
    """
    if type.kind not in ("struct", "union"):
        raise BtfError(f"{type.key} has no layout: only structs and unions do")
    lines = [f"{type.key if type.name else type.kind} {{", *_lines(type, 0, "\t", 0)]
    holes = [bits for at, bits in gaps(type) if at + bits < type.size * 8]
    padding = sum(bits for _, bits in gaps(type)) - sum(holes)
    total = f"size: {type.size}, cache lines: {-(-type.size // CACHE_LINE)}"
    total += f", members: {len(type.all_members())}"
    if holes:
        total += f", holes: {len(holes)}, sum holes: {_amount(sum(holes))}"
    if padding:
        total += f", padding: {_amount(padding)}"
    return "\n".join([*lines, f"\t/* {total} */", "};"])


def _lines(type: Type, base: int, indent: str, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        raise BtfError(f"damaged BTF: type #{type.id} has no end to the structs within")
    ends = {at + bits: bits for at, bits in gaps(type)}
    line = -1
    for member in type.all_members():
        if member.bit_offset in ends:
            yield f"{indent}/* hole: {_amount(ends.pop(member.bit_offset))} */"
        at = base + member.bit_offset
        if not depth and at // 8 // CACHE_LINE > line:
            line = at // 8 // CACHE_LINE
            yield f"{indent}/* --- cache line {line} ({line * CACHE_LINE} bytes) --- */"
        inner = member.type.resolve()
        if inner.kind in ("struct", "union") and not inner.name:
            yield f"{indent}{inner.kind} {{"
            yield from _lines(inner, at, indent + "\t", depth + 1)
            text = f"{indent}}} {member.name}" if member.name else f"{indent}}}"
        else:
            bits = f":{member.bit_size}" if member.bit_size else ""
            text = f"{indent}{member.type.declare(member.name)}{bits}"
        yield _row(f"{text};", member, at)
    if type.size * 8 in ends:
        yield f"{indent}/* padding: {_amount(ends[type.size * 8])} */"


def _row(text: str, member: Member, at: int) -> str:
    width = len(text.expandtabs(8))
    place = f"{at // 8}:{at % 8}" if member.bit_size else f"{at // 8}  "
    size = member.bit_size or member.type.size
    return f"{text}{' ' * max(1, _COLUMN - width)}/* {place:>7} {size:>5} */"


def _bits(member: Member) -> int:
    return member.bit_size or member.type.size * 8


def _amount(bits: int) -> str:
    count, rest = divmod(bits, 8)
    unit = f"{count} byte{'s' * (count != 1)}" if count or not rest else ""
    return f"{unit} {rest} bit{'s' * (rest != 1)}".strip() if rest else unit
