"""Functions of ELF files: written here byte by byte, after elf(5)."""

from __future__ import annotations

import lzma
import os
import sys
from pathlib import Path

import pytest

from pybpf.elf.symbols import Symbol, symbols_of
from pybpf.errors import UsageError

sys.path.insert(0, str(Path(__file__).parent))
from elf_files import BASE, FUNC, IFUNC, OBJECT, elf

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
