"""USDT probes: notes written here byte by byte, in files that are."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest

from pybpf.elf.usdt import Site, sites_of
from pybpf.errors import UsageError

sys.path.insert(0, str(Path(__file__).parent))
from elf_files import BASE, OBJECT, elf

NOTE, PROGBITS = 7, 1
TEXT_BASE = BASE + 0x800


def note(
    place: int, base: int, semaphore: int, *texts: str, owner: bytes = b"stapsdt\0", kind: int = 3
) -> bytes:
    description = struct.pack("<3Q", place, base, semaphore) + b"".join(
        text.encode() + b"\0" for text in texts
    )
    padded = description + bytes(-len(description) % 4)
    return struct.pack("<3I", len(owner), len(description), kind) + owner + padded


def program(*notes: bytes, base: int = TEXT_BASE) -> bytes:
    sections = [(".note.stapsdt", NOTE, 0, b"".join(notes))]
    if base:
        sections.append((".stapsdt.base", PROGBITS, base, b"\0"))
    return elf({".symtab": [("counter", OBJECT, BASE + 0x900, 8)]}, more=sections)


@pytest.mark.parametrize(
    ("data", "sites"),
    [
        (
            program(
                note(BASE + 0x10, TEXT_BASE, 0, "app", "one", "-4@%edi"),
                note(BASE + 0x20, TEXT_BASE, BASE + 0x902, "app", "two", ""),
                note(BASE, TEXT_BASE, 0, "x", "y", "z", owner=b"other\0\0\0"),
                note(BASE, TEXT_BASE, 0, "x", "y", "z", kind=4),
                note(BASE + 0x30, TEXT_BASE, 0, "app", "one", "8@-16(%rbp) 4@$5"),
                note(0x10, TEXT_BASE, 0, "app", "elsewhere", ""),
            ),
            [
                Site("app", "one", 0x1010, 0, "-4@%edi"),
                Site("app", "two", 0x1020, 0x1902, ""),
                Site("app", "one", 0x1030, 0, "8@-16(%rbp) 4@$5"),
            ],
        ),
        (  # moved by prelink after it was linked
            program(note(0x10, 0x800, 0x902, "app", "one", "")),
            [Site("app", "one", 0x1010, 0x1902, "")],
        ),
        (program(note(BASE + 0x10, 0x800, 0, "app", "one", ""), base=0), [Site("app", "one", 0x1010, 0, "")]),
        (
            program(
                note(BASE + 0x10, TEXT_BASE, 0, "a", "b", "8@counter(%rip) 8@counter+8(%rip) 8@no(%rip)")
            ),
            [Site("a", "b", 0x1010, 0, f"8@{0x900 - 0x10}(%rip) 8@{0x908 - 0x10}(%rip) 8@no(%rip)")],
        ),
        (elf({}), []),
    ],
    ids=["several", "prelinked", "without a base", "variables", "none"],
)
def test_sites(tmp_path: Path, data: bytes, sites: list[Site]) -> None:
    path = tmp_path / "program"
    path.write_bytes(data)
    assert list(sites_of(str(path))) == sites


@pytest.mark.parametrize("cut", [0, 100, -100])
def test_a_damaged_file(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "program"
    path.write_bytes(program(note(BASE, TEXT_BASE, 0, "a", "b", "c"))[:cut])
    with pytest.raises(UsageError, match=f"^{path} is no ELF file, or damaged: "):
        sites_of(str(path))


def test_damaged_notes(tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(program(note(BASE, TEXT_BASE, 0, "a", "b", "c")[:30]))
    with pytest.raises(UsageError, match="is no ELF file, or damaged: "):
        sites_of(str(path))
