"""The functions of a program or library: where each lies in its file, and which lies at an offset.

Names come from `.symtab`; of stripped files from `.gnu_debugdata` (a compressed `.symtab`, as Fedora has it)
and `.dynsym`.
"""

from __future__ import annotations

import bisect
import functools
import io
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from pybpf.elf.read import read

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

__all__ = ["Symbol", "Symbols", "symbols_of"]

# Of a symbol's type (elf(5)): a function, and one that chooses a function when the file is loaded.
_FUNCTIONS = (2, 10)
# Bytes that a compressed table may have.
_LARGEST = 1 << 28


class Symbol(NamedTuple):
    """A function: `offset` and `size` in the file, in bytes."""

    offset: int
    size: int
    name: str


class Symbols:
    """The functions of one file; `offsets` by their names."""

    def __init__(self, found: Iterator[Symbol]) -> None:
        self.offsets: dict[str, int] = {}
        at: dict[int, Symbol] = {}
        for symbol in found:
            self.offsets.setdefault(symbol.name, symbol.offset)
            at.setdefault(symbol.offset, symbol)
        self._sorted = sorted(at.values())
        self._starts = [symbol.offset for symbol in self._sorted]

    def at(self, offset: int) -> Symbol | None:
        """The function that an offset in the file belongs to."""
        index = bisect.bisect_right(self._starts, offset) - 1
        if index < 0:
            return None
        found = self._sorted[index]
        return found if offset < found.offset + found.size else None


@functools.lru_cache(maxsize=64)
def symbols_of(path: str) -> Symbols:
    """The functions of an ELF file. Raises UsageError when it is none, or damaged; OSError."""
    return read(path, lambda elf: Symbols(_symbols(elf)))


def _symbols(elf: ELFFile) -> Iterator[Symbol]:
    segments = [
        (each["p_vaddr"], each["p_filesz"], each["p_offset"])
        for each in elf.iter_segments()
        if each["p_type"] == "PT_LOAD"
    ]
    for value, size, name in _entries(elf):
        for start, length, offset in segments:
            if start <= value < start + length:
                yield Symbol(value - start + offset, size, name)


def _entries(elf: ELFFile) -> Iterator[tuple[int, int, str]]:
    """Address, size and name of each function."""
    yield from _table(elf, ".symtab")
    packed = elf.get_section_by_name(".gnu_debugdata")
    if packed is not None:
        import lzma

        unpacked = lzma.LZMADecompressor().decompress(packed.data(), _LARGEST)
        yield from _table(type(elf)(io.BytesIO(unpacked)), ".symtab")
    yield from _table(elf, ".dynsym")


def _table(elf: ELFFile, name: str) -> Iterator[tuple[int, int, str]]:
    """The entries of one table; read as a whole, since there may be a hundred thousand."""
    table = elf.get_section_by_name(name)
    if table is None or table["sh_type"] == "SHT_NOBITS":
        return
    strings: bytes = elf.get_section(table["sh_link"]).data()
    order = "<" if elf.little_endian else ">"
    wide = elf.elfclass == 64
    ends = [each["sh_addr"] + each["sh_size"] for each in elf.iter_sections()]
    for entry in struct.iter_unpack(order + ("IBBHQQ" if wide else "IIIBBH"), table.data()):
        text, info, _, section, value, size = entry if wide else (entry[0], *entry[3:], *entry[1:3])
        if 0 < section < len(ends) and info & 0xF in _FUNCTIONS:
            # One without a size, written in assembly, goes on to the next, or its section's end.
            size = size or max(0, ends[section] - value)
            # A version may follow, as in `memcpy@@GLIBC_2.14`.
            word = strings[text : strings.index(b"\0", text)].partition(b"@")[0]
            yield value, size, word.decode("utf-8", "surrogateescape")
