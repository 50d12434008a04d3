"""Where BTF comes from: files in every wrapping, split BTF on its base."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import sys
import tarfile

import pytest

from pybpf.btf import load, parse, reference
from pybpf.btf.build import Builder
from pybpf.btf.container import sections
from pybpf.btf.extract import extract
from pybpf.errors import BtfError, TypeNotFound

BTF = Builder()
BTF.structure("file", 8, [("f_pos", BTF.integer("u64", 8), 0, 0)])
RAW = BTF.finish()


def elf(contents: dict[str, bytes], order: str = "<") -> bytes:
    """A 64-bit ELF file with these sections."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name in [*contents, ".shstrtab"])
    rows, data = [(0,) * 10], b""
    for name, content in [*contents.items(), (".shstrtab", names)]:
        kind = 3 if name == ".shstrtab" else 1
        at = names.index(b"\0" + name.encode() + b"\0") + 1
        rows.append((at, kind, 0, 0, 64 + len(data), len(content), 0, 0, 1, 0))
        data += content
    magic = b"\x7fELF\x02" + (b"\x01" if order == "<" else b"\x02") + b"\x01" + bytes(9)
    count = len(rows)
    fields = (1, 247, 1, 0, 0, 64 + len(data), 0, 64, 0, 0, 64, count, count - 1)
    header = magic + struct.pack(order + "HHIQQQIHHHHHH", *fields)
    return header + data + b"".join(struct.pack(order + "IIQQQQIIQQ", *row) for row in rows)


def tar(content: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo("5.4.0.btf")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def zstd(content: bytes) -> bytes:
    """One frame of one block that isn't compressed (RFC 8878)."""
    block = (len(content) << 3 | 1).to_bytes(3, "little") + content
    return b"\x28\xb5\x2f\xfd" + b"\x00\x58" + block


@pytest.mark.parametrize(
    "content",
    [
        RAW,
        BTF.finish("big"),
        elf({".BTF": RAW, ".BTF.ext": b"ext"}),
        elf({".text": b"", ".BTF": BTF.finish("big")}, ">"),
        gzip.compress(RAW),
        bz2.compress(RAW),
        lzma.compress(RAW),
        zstd(RAW),
        zstd(tar(RAW)),
        tar(RAW),
        lzma.compress(tar(RAW)),
        gzip.compress(elf({".BTF": RAW})),
    ],
    ids=["raw", "big", "elf", "elf-big", "gzip", "bzip2", "xz", "zstd", "tar.zst", "tar", "tar.xz", "elf.gz"],
)
def test_load(tmp_path, content):
    path = tmp_path / "some"
    path.write_bytes(content)
    btf = load(path)
    assert btf["struct file"].field("f_pos").size == 8
    assert btf.name == str(path)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="Python has zstd")
def test_zstd_without_its_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    path = tmp_path / "some.zst"
    path.write_bytes(zstd(RAW))
    with pytest.raises(BtfError) as raised:
        load(path)
    assert str(raised.value) == (
        f"{path}: it is compressed by zstd, which Python reads from 3.14 on: pip install zstandard, or unpack"
        " it (zstd -d)"
    )


def test_zstd_that_is_cut_off(tmp_path):
    path = tmp_path / "some.zst"
    path.write_bytes(zstd(RAW)[:-1])
    with pytest.raises(BtfError):
        load(path)


def test_sections_of_an_object():
    assert sections(elf({".BTF": RAW, ".BTF.ext": b"ext", ".text": b"x"})) == {
        ".BTF": RAW,
        ".BTF.ext": b"ext",
    }
    assert sections(elf({})) == {}


def test_an_elf_file_without(tmp_path):
    path = tmp_path / "object.o"
    path.write_bytes(elf({".text": b"x"}))
    with pytest.raises(BtfError, match=r"object\.o: this ELF file has no \.BTF section$"):
        load(path)


@pytest.fixture
def split(blob, new_blob):
    """A kernel's BTF, and a module's on top of it."""
    u32 = blob.integer("unsigned int", 4)
    blob.add("struct", "inode", 8, [("i_ino", u32, 0)])
    blob.add("fwd", "ext4_sb_info", 0)
    proto = blob.add("func_proto", "", u32, [("inode", 2)])
    blob.add("func", "iput", proto)
    base = parse(blob.bytes(), name="vmlinux")
    module = new_blob(blob.order, first=len(base), strings=b"\0", below=base.strings_size)
    pointer = module.add("ptr", "", 2)
    module.add("struct", "ext4_sb_info", 16, [("s_inode", pointer, 0), ("s_count", u32, 64)])
    proto = module.add("func_proto", "", u32, [("inode", pointer)])
    module.add("func", "ext4_file_open", proto)
    return base, parse(module.bytes(), base, "ext4")


def test_split(split):
    base, module = split
    assert (len(base), len(module)) == (6, 10)
    assert [type.id for type in module] == [6, 7, 8, 9]
    assert module["struct inode"] is base["struct inode"]
    assert module.by_id(2) is base.by_id(2)
    assert module["struct ext4_sb_info"].kind == "struct"
    assert base["struct ext4_sb_info"].kind == "fwd"
    assert [type.kind for type in module.all("struct ext4_sb_info")] == ["struct", "fwd"]
    field = module["struct ext4_sb_info"].field("s_inode")
    assert field.type.target.field("i_ino").size == 4
    assert module.type("struct inode *").id == 6
    assert module.function("ext4_file_open").declare("f") == "unsigned int f(struct inode *inode)"
    assert module.function("iput").id == 4
    with pytest.raises(
        TypeNotFound, match=r"^no type 'struct inod' in this BTF \(did you mean 'struct inode'\?\)$"
    ):
        module["struct inod"]


def test_cutting_out_of_a_split_one(split):
    _, module = split
    with module.recording() as asked:
        module["struct ext4_sb_info"].field("s_inode").type.target.field("i_ino")
    cut = parse(extract(module, asked))
    assert cut.base is None
    assert [type.key for type in cut if type.name] == ["unsigned int", "struct inode", "struct ext4_sb_info"]
    assert cut["struct ext4_sb_info"].field("s_inode").type.target.field("i_ino").size == 4


def test_the_reference_is_loaded_once():
    assert reference() is reference()
