"""Where a program's instructions come from: the records of `func_info` and `line_info`.

They lie in the section .BTF.ext of an object (Documentation/bpf/btf.rst, section 4.2), and the kernel gives
those of a loaded program (`struct bpf_func_info`, `struct bpf_line_info` of <linux/bpf.h>; 5.0).
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from pybpf.btf.graph import Btf
from pybpf.errors import BtfError
from pybpf.source import Location

__all__ = ["Line", "functions", "lines", "object_records"]

_FUNCTION = Struct("<II")
_LINE = Struct("<IIII")
_WORDS = Struct("<IIIIII")


class Line(NamedTuple):
    """A place in the source, and the text of that line."""

    location: Location
    text: str


def functions(records: bytes, size: int, btf: Btf) -> dict[int, str]:
    """The name of the function at each offset; `size` is that of one record."""
    found = {}
    for position in range(0, len(records) - size + 1, size):
        offset, type_id = _FUNCTION.unpack_from(records, position)
        found[offset] = btf.by_id(type_id).name
    return found


def lines(records: bytes, size: int, btf: Btf) -> dict[int, Line]:
    """The line of the instruction at each offset; those after it up to the next belong to it too."""
    found = {}
    for position in range(0, len(records) - size + 1, size):
        offset, file, text, place = _LINE.unpack_from(records, position)
        line, column = place >> 10, place & 0x3FF
        # Line 0 is what clang says of code that comes from no line.
        if line:
            found[offset] = Line(Location(btf.string(file), line, max(1, column)), btf.string(text))
    return found


def object_records(data: bytes, btf: Btf) -> dict[str, tuple[dict[int, str], dict[int, Line]]]:
    """What .BTF.ext says of each section of code: `functions` and `lines`, at offsets in bytes."""
    if len(data) < _WORDS.size:
        raise BtfError(f"a header of {len(data)} bytes in .BTF.ext")
    _, header, functions_at, functions_size, lines_at, lines_size = _WORDS.unpack_from(data)
    found: dict[str, tuple[dict[int, str], dict[int, Line]]] = {}
    for section, size, records in _sections(data, header + functions_at, functions_size, _FUNCTION.size, btf):
        found[section] = (functions(records, size, btf), {})
    for section, size, records in _sections(data, header + lines_at, lines_size, _LINE.size, btf):
        found.setdefault(section, ({}, {}))[1].update(lines(records, size, btf))
    return found


def _sections(data: bytes, start: int, length: int, least: int, btf: Btf) -> list[tuple[str, int, bytes]]:
    # The size of a record, then for each section its name, the number of records, and the records.
    found: list[tuple[str, int, bytes]] = []
    if not length:
        return found
    size = int.from_bytes(data[start : start + 4], "little")
    position, end = start + 4, start + length
    if size < least or end > len(data):
        raise BtfError(f".BTF.ext of {len(data)} bytes has records of {size} bytes up to byte {end}", start)
    while position + _FUNCTION.size <= end:
        name, count = _FUNCTION.unpack_from(data, position)
        position += _FUNCTION.size
        found.append((btf.string(name), size, data[position : min(end, position + size * count)]))
        position += size * count
    return found
