from __future__ import annotations

from pathlib import Path

import pytest

from pybpf.asm import KernelFunctionRef, MapRef, MapValueRef, Statement, SubprogramRef, format_statement
from pybpf.elf.code import code_sections
from pybpf.errors import UsageError

DEMO = Path(__file__).parents[2] / "data" / "elf" / "demo.o"


def test_symbols_and_lines() -> None:
    text, probe = code_sections(str(DEMO))
    assert (text.name, probe.name) == (".text", "kprobe/vfs_read")
    assert [(item.labels, format_statement(item)) for item in text.code if isinstance(item, Statement)] == [
        (("twice",), "r0 = r1"),
        ((), "r0 <<= 1"),
        ((), "exit"),
        (("step",), "r0 = 0"),
        ((), "exit"),
    ]
    statements = [item for item in probe.code if isinstance(item, Statement)]
    assert len(statements) == len(probe.code)
    assert [statement.ref for statement in statements if statement.ref is not None] == [
        MapRef("counts"),
        MapValueRef(".rodata", 8),
        SubprogramRef("twice"),
        SubprogramRef("step"),
        KernelFunctionRef("kernel_function"),
    ]
    place = statements[4].location
    assert place is not None
    assert (Path(place.file).name, place.line, place.column) == ("demo.c", 18, 18)
    assert probe.texts[place[:2]].strip() == "u64 *value = map_lookup_elem(&counts, &key);"


def test_what_is_no_bpf_object(tmp_path: Path) -> None:
    path = tmp_path / "file"
    data = bytearray(DEMO.read_bytes())
    data[18] = 62
    path.write_bytes(data)
    with pytest.raises(UsageError) as error:
        code_sections(str(path))
    assert str(error.value) == f"{path}: an ELF file for EM_X86_64, not a little-endian BPF object"
    path.write_bytes(b"\x7fELF")
    with pytest.raises(UsageError, match="is damaged: "):
        code_sections(str(path))
