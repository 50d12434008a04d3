"""The code of an object file, with its symbols: what a relocation names, and the line it was made from.

Relocations: Documentation/bpf/llvm_reloc.rst of the kernel.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pybpf.asm import KernelFunctionRef, MapRef, MapValueRef, Ref, Statement, SubprogramRef
from pybpf.btf import parse
from pybpf.btf.debug_info import Line, object_records
from pybpf.errors import BpfError, UsageError
from pybpf.isa import Instruction, Undecoded, decode_lenient, distance, find, slot_indices
from pybpf.isa.opcodes import (
    BPF_CALL,
    BPF_JMP,
    BPF_PSEUDO_CALL,
    BPF_PSEUDO_FUNC,
    BPF_PSEUDO_KFUNC_CALL,
    BPF_PSEUDO_MAP_FD,
    BPF_PSEUDO_MAP_VALUE,
    LDDW,
)

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

__all__ = ["CodeSection", "code_sections"]

_SLOT = 8


class CodeSection(NamedTuple):
    """A section of code, such as `kprobe/vfs_read`; `texts` are source lines by file and line number."""

    name: str
    code: tuple[Statement | Undecoded, ...]
    texts: Mapping[tuple[str, int], str]


def code_sections(path: str) -> list[CodeSection]:
    """All sections of code of a BPF object file, in the file's order.

    Raises `UsageError` when it is none or damaged, `BtfError` when its BTF is; OSError.
    """
    from elftools.elf.elffile import ELFFile

    data = Path(path).read_bytes()
    try:
        elf = ELFFile(io.BytesIO(data))
        machine = elf["e_machine"]
        if machine != "EM_BPF" or not elf.little_endian:
            raise UsageError(f"{path}: an ELF file for {machine}, not a little-endian BPF object")
        return list(_sections(elf))
    except BpfError:
        raise
    except Exception as error:
        # Of a damaged file pyelftools raises not only its own errors, but whatever comes of reading on.
        raise UsageError(f"{path}: the object file is damaged: {error}") from None


def _sections(elf: ELFFile) -> Iterator[CodeSection]:
    from elftools.elf.constants import SH_FLAGS

    symbols: Any = elf.get_section_by_name(".symtab")
    names: dict[int, dict[int, str]] = {}
    for symbol in symbols.iter_symbols() if symbols else ():
        if symbol["st_info"]["type"] == "STT_FUNC" and isinstance(symbol["st_shndx"], int):
            names.setdefault(symbol["st_shndx"], {})[symbol["st_value"] // _SLOT] = symbol.name
    relocations: dict[int, Any] = {
        each["sh_info"]: each for each in elf.iter_sections() if each["sh_type"] == "SHT_REL"
    }
    records = _records(elf)
    for index, section in enumerate(elf.iter_sections()):
        if section["sh_type"] != "SHT_PROGBITS" or not section["sh_flags"] & SH_FLAGS.SHF_EXECINSTR:
            continue
        targets = {}
        for relocation in relocations[index].iter_relocations() if index in relocations else ():
            symbol = symbols.get_symbol(relocation["r_info_sym"])
            targets[relocation["r_offset"] // _SLOT] = symbol
        _, lines = records.get(section.name, ({}, {}))
        code = _statements(section.data(), names.get(index, {}), lines, _Symbols(elf, names, targets))
        yield CodeSection(
            section.name, tuple(code), {line.location[:2]: line.text for line in lines.values()}
        )


def _records(elf: ELFFile) -> dict[str, tuple[dict[int, str], dict[int, Line]]]:
    types, extra = elf.get_section_by_name(".BTF"), elf.get_section_by_name(".BTF.ext")
    return object_records(extra.data(), parse(types.data())) if types and extra else {}


def _statements(
    code: bytes, names: Mapping[int, str], lines: Mapping[int, Line], symbols: _Symbols
) -> Iterator[Statement | Undecoded]:
    place = None
    items = decode_lenient(code)
    for index, item in zip(slot_indices(items), items):
        if index * _SLOT in lines:
            place = lines[index * _SLOT].location
        if isinstance(item, Undecoded):
            yield item
            continue
        insn, ref = symbols.resolve(item, index, names)
        yield Statement(insn, ref, (names[index],) if index in names else (), place)


class _Symbols:
    # What the instructions of one section refer to: `targets` are the symbols of its relocations, by slot.
    def __init__(
        self, elf: ELFFile, names: Mapping[int, Mapping[int, str]], targets: Mapping[int, Any]
    ) -> None:
        self.elf, self.names, self.targets = elf, names, targets

    def resolve(
        self, insn: Instruction, index: int, here: Mapping[int, str]
    ) -> tuple[Instruction, Ref | None]:
        op = find(insn)
        symbol = self.targets.get(index) if insn.opcode in (LDDW, BPF_JMP | BPF_CALL) else None
        if symbol is None:
            # The assembler itself resolves calls within a section.
            if op and op.name == "call_local":
                name = here.get(index + 1 + distance(insn, op))
                return insn, SubprogramRef(name) if name else None
            return insn, None
        where = symbol["st_shndx"]
        if insn.opcode != LDDW:
            if where == "SHN_UNDEF":
                return insn._replace(src=BPF_PSEUDO_KFUNC_CALL), KernelFunctionRef(symbol.name)
            slot = symbol["st_value"] // _SLOT
            # Against a section, the place in it is in the instruction.
            slot += insn.imm + 1 if symbol["st_info"]["type"] == "STT_SECTION" else 0
            return insn._replace(src=BPF_PSEUDO_CALL), self._function(where, slot)
        if not isinstance(where, int):
            return insn, None
        section = self.elf.get_section(where)
        offset = symbol["st_value"] + insn.imm
        if where in self.names:
            return insn._replace(src=BPF_PSEUDO_FUNC, imm=0), self._function(where, offset // _SLOT)
        if section.name in (".maps", "maps"):
            return insn._replace(src=BPF_PSEUDO_MAP_FD, imm=0), MapRef(symbol.name)
        return insn._replace(src=BPF_PSEUDO_MAP_VALUE, imm=0), MapValueRef(section.name, offset)

    def _function(self, section: int, slot: int) -> SubprogramRef | None:
        name = self.names.get(section, {}).get(slot)
        return SubprogramRef(name) if name else None
