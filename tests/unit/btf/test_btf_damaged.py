"""BTF that is not sound: each fault is named with its place; nothing hangs, nothing else is raised."""

from __future__ import annotations

import importlib.util
import struct
import sys
from pathlib import Path

import pytest

from pybpf.btf import load, parse
from pybpf.btf.extract import extract
from pybpf.errors import BtfError, FieldNotFound


def head(types=0, strings=1, length=24, version=1, magic=0xEB9F, order="<", more=b"\0"):
    return struct.pack(order + "HBBIIIII", magic, version, 0, length, 0, types, types, strings) + more


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no BTF: 0 bytes are too few for its header of 24"),
        (bytes(24), "no BTF: it begins with 0000, not with the magic 9feb or eb9f"),
        (head(version=2), "BTF of version 2, where only 1 is known (at byte 0x2)"),
        (head(length=20), "the BTF header says it is 20 bytes long, less than its 24 (at byte 0x4)"),
        (head(strings=2), "the string section ends at byte 26, past the 25 that are there (at byte 0x10)"),
        (head(types=8), "the type section ends at byte 32, past the 25 that are there (at byte 0x8)"),
        (
            head(types=2, more=b"\0\0\0"),
            "the type section is not made of whole words of 4 bytes (at byte 0xc)",
        ),
        (
            head(length=32, more=struct.pack("<II", 0, 9) + b"\0"),
            "the layout section ends at byte 41, past the 33 that are there (at byte 0x18)",
        ),
    ],
)
def test_a_header_that_is_not_sound(data, message):
    with pytest.raises(BtfError) as caught:
        parse(data)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([0, 0x7F000000, 0], "damaged BTF: a kind 127, which is not known here, in type #1 (at byte 0x18)"),
        ([0, 0, 0], "damaged BTF: a kind 0, which is not known here, in type #1 (at byte 0x18)"),
        ([0, 0x02000000], "damaged BTF: the type section ends in type #1 (at byte 0x18)"),
        ([0], "damaged BTF: the type section ends in type #1 (at byte 0x18)"),
        ([0, 0x04FFFFFF, 0], "damaged BTF: the type section ends in type #1 (at byte 0x18)"),
        ([0, 0x02000000, 7], "damaged BTF: no type #7 among 2"),
        ([0, 0x02000000, 0xFFFFFFFF], "damaged BTF: no type #4294967295 among 2"),
        ([9, 0x02000000, 0], "damaged BTF: no string at 0x9 of the string section"),
        ([0, 0x08000000, 1], "damaged BTF: the chain of types from '(anonymous #1)' (#1) does not end"),
    ],
)
def test_types_that_are_not_sound(words, message):
    raw = struct.pack(f"<{len(words)}I", *words)
    btf = parse(head(len(raw), more=raw + b"\0"))
    for _ in range(2):
        with pytest.raises(BtfError) as caught:
            _ = [type.target.resolve() for type in btf]
        assert str(caught.value) == message


@pytest.mark.parametrize("kind", ["ptr", "const", "func_proto", "array"])
def test_types_that_lead_to_themselves(blob, kind):
    if kind == "array":
        blob.array(1, 3)
    else:
        blob.add(kind, "", 1)
    only = parse(blob.bytes()).by_id(1)
    with pytest.raises(BtfError, match=r"^damaged BTF: no end to the declaration of type #1$"):
        _ = only.declaration
    if kind in ("const", "array"):
        with pytest.raises(BtfError, match=r"does not end$"):
            _ = only.size


def test_structs_that_contain_themselves(blob):
    blob.add("struct", "", 8, [("", 1, 0)] * 40)
    only = parse(blob.bytes()).by_id(1)
    with pytest.raises(FieldNotFound, match=r"has no field 'x'$"):
        only.field("x")
    with pytest.raises(BtfError, match=r"^damaged BTF: type #1 contains itself$"):
        only.construct()
    assert len(parse(extract(only.btf, [(1, "*")]))) == 2


def test_a_kind_of_tomorrow_is_stepped_over(blob):
    """A BTF of Linux 7.1 or later says how long the records of each kind are."""
    blob.integer("int", 4, 1)
    types = blob.types + struct.pack(blob.order + "7I", 0, 20 << 24 | 2, 0, 1, 2, 3, 4)
    types += struct.pack(blob.order + "3I", 0, 2 << 24, 1)
    layout = bytes(20 * 4) + bytes([8, 4, 0, 0])
    sizes = (0, len(types), len(types), len(blob.strings), len(types) + len(blob.strings), len(layout))
    header = struct.pack(blob.order + "HBBIIIIIII", 0xEB9F, 1, 0, 32, *sizes)
    btf = parse(header + types + blob.strings + layout)
    assert [type.kind for type in btf] == ["int", "kind20", "ptr"]
    assert btf.by_id(3).declaration == "int *"


def test_random_damage():
    """A short run of what `tools/fuzz btf` does; ten million were run once."""
    path = Path(__file__).parents[3] / "tools" / "fuzz_btf.py"
    spec = importlib.util.spec_from_file_location("fuzz_btf", path)
    fuzz = sys.modules["fuzz_btf"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fuzz)
    count, read, failures = fuzz.run(fuzz.seeds(), iter(range(600)), float("inf"))
    assert (count, failures) == (600, 0)
    assert 150 < read < 450


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no BTF: neither raw, nor in an ELF file, nor compressed (gzip, bzip2, xz, zstd) or in a"),
        (b"\x7fELF" + bytes(12), "this ELF file is damaged: "),
        (b"\x1f\x8b\x08\0", "this compressed file is damaged: "),
        (b"BZh9" + bytes(20), "this compressed file is damaged: "),
        (b"\xfd7zXZ\0" + bytes(20), "this compressed file is damaged: "),
        (bytes(257) + b"ustar" + bytes(250), "this tar archive is damaged: bad checksum"),
        (b"\x9f\xeb", "no BTF: 2 bytes are too few for its header of 24"),
    ],
)
def test_files_that_hold_none(tmp_path, content, message):
    path = tmp_path / "some.btf"
    path.write_bytes(content)
    with pytest.raises(BtfError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(BtfError, match=r"/none: No such file or directory$"):
        load(tmp_path / "none")
