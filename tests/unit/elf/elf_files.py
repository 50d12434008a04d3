"""ELF files to read, written byte by byte, after elf(5)."""

from __future__ import annotations

import struct
from collections.abc import Sequence

BASE, CODE = 0x400000, 0x1000  # the segment of code: its address, and where it lies in the file
FUNC, OBJECT, IFUNC = 2, 1, 10


def table(symbols: list[tuple[str, int, int, int]]) -> tuple[bytes, bytes]:
    """Entries and texts of (name, type, address, size); an address of 0 is another file's."""
    texts, entries = b"\0", bytes(24)
    for name, kind, address, size in symbols:
        entries += struct.pack("<IBBHQQ", len(texts), 1 << 4 | kind, 0, int(address > 0), address, size)
        texts += name.encode() + b"\0"
    return entries, texts


def elf(
    tables: dict[str, list[tuple[str, int, int, int]]],
    packed: bytes = b"",
    more: Sequence[tuple[str, int, int, bytes]] = (),
) -> bytes:
    """A file with one segment of code, these tables of symbols, and `more` sections.

    Those have a name, a type, an address and their data.
    """
    names = b"\0"
    sections = [(0, 0, b"", 0), (0, 8, b"", 0)]  # the second is that of the code
    for name, symbols in tables.items():
        entries, texts = table(symbols)
        kind = 2 if name == ".symtab" else 11
        sections += [(len(names), kind, entries, len(sections) + 1)]
        names += name.encode() + b"\0"
        sections += [(len(names), 3, texts, 0)]
        names += name.replace("sym", "str").encode() + b"\0"
    if packed:
        sections += [(len(names), 1, packed, 0)]
        names += b".gnu_debugdata\0"
    addresses = {}
    for name, kind, address, data in more:
        addresses[len(names)] = address
        sections += [(len(names), kind, data, 0)]
        names += name.encode() + b"\0"
    sections += [(len(names), 3, names + b".shstrtab\0", 0)]
    body, headers = b"", b""
    for name, kind, data, link in sections:
        size = 24 if kind in (2, 11) else 0
        address, length = (BASE, 0x380) if kind == 8 else (addresses.get(name, 0), len(data))
        place = 120 + len(body)
        headers += struct.pack("<IIQQQQIIQQ", name, kind, 0, address, place, length, link, 1, 1, size)
        body += data
    identity = b"\x7fELF\x02\x01\x01" + bytes(9)
    end = 120 + len(body)
    head = struct.pack(
        "<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, end, 0, 64, 56, 1, 64, len(sections), len(sections) - 1
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, CODE, BASE, BASE, 0x2000, 0x2000, 0x1000)
    return identity + head + segment + body + headers
