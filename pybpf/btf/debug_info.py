"""Where a program's instructions come from: the records of `func_info` and `line_info`.

They lie in the section .BTF.ext of an object (Documentation/bpf/btf.rst, section 4.2), and the kernel gives
those of a loaded program (`struct bpf_func_info`, `struct bpf_line_info` of <linux/bpf.h>; 5.0).
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from pybpf.btf.graph import Btf
from pybpf.errors import BtfError
from pybpf.source import Location

__all__ = ["CoreRecord", "Line", "core_records", "functions", "lines", "object_records"]


class Line(NamedTuple):
    """A place in the source, and the text of that line."""

    location: Location
    text: str


class CoreRecord(NamedTuple):
    """A question that CO-RE answers (`pybpf.btf.core.relocate`), for the instruction at `offset` bytes."""

    offset: int
    type_id: int
    access: str
    kind: int


def functions(records: bytes, size: int, btf: Btf) -> dict[int, str]:
    """The name of the function at each offset; `size` is that of one record."""
    return {offset: btf.by_id(type_id).name for offset, type_id in _rows(records, size, 2, btf)}


def lines(records: bytes, size: int, btf: Btf) -> dict[int, Line]:
    """The line of the instruction at each offset; those after it up to the next belong to it too."""
    found = {}
    for offset, file, text, place in _rows(records, size, 4, btf):
        line, column = place >> 10, place & 0x3FF
        # Line 0 is what clang says of code that comes from no line.
        if line:
            found[offset] = Line(Location(btf.string(file), line, max(1, column)), btf.string(text))
    return found


def object_records(data: bytes, btf: Btf) -> dict[str, tuple[dict[int, str], dict[int, Line]]]:
    """What .BTF.ext says of each section of code: `functions` and `lines`, at offsets in bytes."""
    found: dict[str, tuple[dict[int, str], dict[int, Line]]] = {}
    for section, size, records in _sections(data, 0, 2, btf):
        found[section] = (functions(records, size, btf), {})
    for section, size, records in _sections(data, 1, 4, btf):
        found.setdefault(section, ({}, {}))[1].update(lines(records, size, btf))
    return found


def core_records(data: bytes, btf: Btf) -> dict[str, list[CoreRecord]]:
    """The CO-RE relocations that .BTF.ext has for each section of code."""
    return {
        section: [
            CoreRecord(offset, type_id, btf.string(access), kind)
            for offset, type_id, access, kind in _rows(records, size, 4, btf)
        ]
        for section, size, records in _sections(data, 2, 4, btf)
    }


def _rows(records: bytes, size: int, words: int, btf: Btf) -> Iterator[tuple[int, ...]]:
    # The first words of each record; a newer kernel's may be longer.
    row = Struct(_order(btf) + f"{words}I")
    for position in range(0, len(records) - size + 1, size):
        yield row.unpack_from(records, position)


def _order(btf: Btf) -> str:
    return "<" if btf.byte_order == "little" else ">"


def _sections(data: bytes, which: int, words: int, btf: Btf) -> Iterator[tuple[str, int, bytes]]:
    # Of the functions (0), lines (1) or relocations (2): by section of code its name, the size of a record
    # of at least so many words, and the records.
    header = Struct(_order(btf) + "8I")
    if len(data) < 24:
        raise BtfError(f"a header of {len(data)} bytes in .BTF.ext")
    # Objects before clang 10 have no relocations there.
    _, length, *places = header.unpack_from(data.ljust(header.size, b"\0"))
    start, total = places[2 * which : 2 * which + 2] if length >= 8 * which + 16 else (0, 0)
    start += length
    if not total:
        return
    word, pair = Struct(_order(btf) + "I"), Struct(_order(btf) + "II")
    end = start + total
    size = word.unpack_from(data, start)[0] if start + 4 <= len(data) else 0
    if size < 4 * words or end > len(data):
        raise BtfError(f".BTF.ext of {len(data)} bytes has records of {size} bytes up to byte {end}", start)
    position = start + 4
    while position + pair.size <= end:
        name, count = pair.unpack_from(data, position)
        position += pair.size
        yield btf.string(name), size, data[position : min(end, position + size * count)]
        position += size * count
