"""Functions of ELF files: written here byte by byte, after elf(5)."""

from __future__ import annotations

import lzma
import os
import struct
from pathlib import Path

import pytest

from pybpf.elf.symbols import Symbol, symbols_of
from pybpf.errors import UsageError

BASE, CODE = 0x400000, 0x1000  # the segment of code: its address, and where it lies in the file
FUNC, OBJECT, IFUNC = 2, 1, 10


def table(symbols: list[tuple[str, int, int, int]]) -> tuple[bytes, bytes]:
    """Entries and texts of (name, type, address, size); an address of 0 is another file's."""
    texts, entries = b"\0", bytes(24)
    for name, kind, address, size in symbols:
        entries += struct.pack("<IBBHQQ", len(texts), 1 << 4 | kind, 0, int(address > 0), address, size)
        texts += name.encode() + b"\0"
    return entries, texts


def elf(tables: dict[str, list[tuple[str, int, int, int]]], packed: bytes = b"") -> bytes:
    """A file with one segment of code, and these tables of symbols."""
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
    sections += [(len(names), 3, names + b".shstrtab\0", 0)]
    body, headers = b"", b""
    for name, kind, data, link in sections:
        size = 24 if kind in (2, 11) else 0
        address, length = (BASE, 0x380) if kind == 8 else (0, len(data))
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


SYMTAB = [
    ("main", FUNC, BASE + 0x100, 0x40),
    ("helper", FUNC, BASE + 0x140, 0),
    ("helper", FUNC, BASE + 0x200, 8),  # a static one of another file
    ("last", FUNC, BASE + 0x340, 0),
    ("value", OBJECT, BASE + 0x300, 8),
    ("printf@@GLIBC_2.2.5", FUNC, 0, 0),
    ("memcpy@@GLIBC_2.14", IFUNC, BASE + 0x400, 16),
    ("elsewhere", FUNC, 0x999999, 8),
]
DYNSYM = [("main", FUNC, BASE + 0x100, 0x40), ("exported", FUNC, BASE + 0x500, 4)]


@pytest.mark.parametrize(
    ("data", "offsets"),
    [
        (
            elf({".symtab": SYMTAB, ".dynsym": DYNSYM}),
            {"main": 0x1100, "helper": 0x1140, "last": 0x1340, "memcpy": 0x1400, "exported": 0x1500},
        ),
        (elf({".dynsym": DYNSYM}), {"main": 0x1100, "exported": 0x1500}),
        (
            elf({".dynsym": DYNSYM}, lzma.compress(elf({".symtab": SYMTAB[:2]}))),
            {"main": 0x1100, "helper": 0x1140, "exported": 0x1500},
        ),
        (elf({}), {}),
    ],
    ids=["whole", "stripped", "with packed symbols", "without any"],
)
def test_functions_by_name(tmp_path: Path, data: bytes, offsets: dict[str, int]) -> None:
    path = tmp_path / "program"
    path.write_bytes(data)
    assert symbols_of(str(path)).offsets == offsets


@pytest.mark.parametrize(
    ("offset", "name"),
    [
        (0x10FF, None),
        (0x1100, "main"),
        (0x113F, "main"),
        (0x1140, "helper"),  # without a size, up to the next or the section's end
        (0x11FF, "helper"),
        (0x1207, "helper"),
        (0x1208, None),
        (0x137F, "last"),
        (0x1380, None),
        (0x140F, "memcpy"),
    ],
)
def test_the_function_at_an_offset(tmp_path: Path, offset: int, name: str | None) -> None:
    path = tmp_path / "program"
    path.write_bytes(elf({".symtab": SYMTAB}))
    found = symbols_of(str(path)).at(offset)
    assert (found.name if found else None) == name
    assert found is None or isinstance(found, Symbol)


@pytest.mark.parametrize("cut", [0, 10, 100, -100])
def test_a_damaged_file(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "program"
    path.write_bytes(elf({".symtab": SYMTAB})[:cut])
    with pytest.raises(UsageError, match=f"^{path} is no ELF file, or damaged: "):
        symbols_of(str(path))


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(elf({".symtab": SYMTAB}).replace(b"main", b"m\xff\xffn"))
    assert "m\udcff\udcffn" in symbols_of(str(path)).offsets


def test_a_pipe_in_a_librarys_place_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "libc.so.6")
    with pytest.raises(UsageError, match="is no ELF file, or damaged"):
        symbols_of(str(tmp_path / "libc.so.6"))
