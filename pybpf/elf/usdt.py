"""The USDT probes of a program or library: places that its authors marked, with where their arguments are.

They are notes in `.note.stapsdt`, as <sys/sdt.h> of SystemTap lays them out: three addresses (of the probe's
`nop`, of `.stapsdt.base` when the file was linked, of a counter, the semaphore), and three texts (provider,
name, arguments in the assembler's words).
"""

from __future__ import annotations

import functools
import re
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from pybpf.elf.read import read

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

__all__ = ["Site", "sites_of"]

_TYPE = 3
_OWNER = b"stapsdt\0"
_NEAR = re.compile(r"([A-Za-z_.$][\w.$]*)([+-]\d+)?(?=\(%rip\))")


class Site(NamedTuple):
    """A place of a probe, of which there may be several. Offsets in the file, in bytes.

    `semaphore` is that of the 16-bit counter that tells the program whether anybody listens; 0 when there is
    none. In `arguments`, what an operand says relative to `%rip` is a number, counted from the probe itself.
    """

    provider: str
    name: str
    offset: int
    semaphore: int
    arguments: str


@functools.lru_cache(maxsize=16)
def sites_of(path: str) -> tuple[Site, ...]:
    """The probes of an ELF file, in its order. Raises UsageError when it is none, or damaged; OSError."""
    return read(path, lambda elf: tuple(_sites(elf)))


def _sites(elf: ELFFile) -> Iterator[Site]:
    notes = elf.get_section_by_name(".note.stapsdt")
    if notes is None:
        return
    base = elf.get_section_by_name(".stapsdt.base")
    order = "<" if elf.little_endian else ">"
    address = "Q" if elf.elfclass == 64 else "I"
    addresses = struct.Struct(f"{order}3{address}")
    for description in _descriptions(notes.data(), order):
        place, linked, semaphore = addresses.unpack_from(description)
        # Who prelinks a library moves it, but leaves the notes as they are.
        moved = base["sh_addr"] - linked if base is not None and linked else 0
        provider, name, arguments, *_ = (
            text.decode("utf-8", "surrogateescape") for text in description[addresses.size :].split(b"\0")
        )
        offset = _offset(elf, place + moved)
        if offset:
            counter = _offset(elf, semaphore + moved) if semaphore else 0
            yield Site(provider, name, offset, counter, _resolved(elf, arguments, place + moved))


def _descriptions(data: bytes, order: str) -> Iterator[bytes]:
    """What the notes of this kind hold (elf(5)); each part is padded to 4 bytes."""
    at = 0
    while at < len(data):
        owner_size, size, kind = struct.unpack_from(f"{order}3I", data, at)
        owner = data[at + 12 : at + 12 + owner_size]
        at += 12 + (owner_size + 3 & ~3)
        if owner == _OWNER and kind == _TYPE:
            yield data[at : at + size]
        at += size + 3 & ~3


def _offset(elf: ELFFile, address: int) -> int:
    """Where in the file an address lies; 0 when nowhere."""
    for each in elf.iter_segments("PT_LOAD"):
        if each["p_vaddr"] <= address < each["p_vaddr"] + each["p_filesz"]:
            return int(address - each["p_vaddr"] + each["p_offset"])
    return 0


def _resolved(elf: ELFFile, arguments: str, place: int) -> str:
    """The same, with numbers in place of variables by name; those that the file has no symbol of stay."""

    def distance(match: re.Match[str]) -> str:
        address = _variable(elf, match[1])
        return match[0] if address is None else str(address + int(match[2] or 0) - place)

    return _NEAR.sub(distance, arguments)


def _variable(elf: ELFFile, name: str) -> int | None:
    for section in (".symtab", ".dynsym"):
        table: Any = elf.get_section_by_name(section)
        found = table.get_symbol_by_name(name) if table is not None else None
        if found:
            return int(found[0]["st_value"])
    return None
