"""Cutting out: what was asked for is there as it was, and nothing else."""

from __future__ import annotations

import pytest

from pybpf.btf import parse, reference
from pybpf.btf.extract import extract
from pybpf.errors import FieldNotFound, TypeNotFound


@pytest.fixture
def btf(blob):
    u32 = blob.integer("unsigned int", 4)
    u64 = blob.integer("long unsigned int", 8)
    # dentry (4) holds a qstr and points to itself; inode (7) is large, and only its size matters.
    blob.add("ptr", "", 4)
    blob.add(
        "struct",
        "dentry",
        40,
        [("d_parent", 3, 0), ("d_name", 6, 64), ("d_inode", 8, 192), ("d_x", u64, 256)],
    )
    blob.add("struct", "", 8, [("hash", u32, 0), ("len", u32, 32)])
    blob.add("struct", "qstr", 16, [("", 5, 0), ("name", u64, 64)])
    blob.add("struct", "inode", 600, [("i_ino", u64, 0), ("i_bits", u32, 3 << 24 | 65)], flag=1)
    blob.add("ptr", "", 7)
    blob.add("enum", "colour", 4, [("RED", 0)])
    proto = blob.add("func_proto", "", u32, [("dentry", 3)])
    blob.add("func", "d_path", proto)
    return parse(blob.bytes())


@pytest.mark.parametrize(
    ("asked", "names", "members"),
    [
        (["struct inode"], ["inode"], {"struct inode": []}),
        (["struct dentry.d_name"], ["dentry", "qstr"], {"struct dentry": ["d_name"], "struct qstr": []}),
        (
            ["struct dentry.d_name.len"],
            ["unsigned int", "dentry", "", "qstr"],
            {"struct dentry": ["d_name"], "struct qstr": [""]},
        ),
        (
            ["struct dentry.d_inode"],
            ["dentry", "inode", ""],
            {"struct dentry": ["d_inode"], "struct inode": []},
        ),
        (["struct inode.i_bits"], ["unsigned int", "inode"], {"struct inode": ["i_bits"]}),
        (
            ["struct qstr.*"],
            ["unsigned int", "long unsigned int", "", "qstr"],
            {"struct qstr": ["", "name"]},
        ),
        (["d_path()"], ["unsigned int", "", "dentry", "", "d_path"], {"struct dentry": []}),
        (["enum colour"], ["colour"], {}),
        ([], [], {}),
    ],
)
def test_extract(btf, asked, names, members):
    data = extract(btf, asked)
    assert extract(btf, reversed(asked)) == data
    cut = parse(data)
    assert cut.byte_order == btf.byte_order
    assert [type.name for type in cut] == names
    for key, expected in members.items():
        assert [member.name for member in cut[key].members] == expected
        assert cut[key].size == btf[key].size
    for text in asked:
        key, _, path = text.partition(".")
        if path not in ("", "*"):
            old, new = btf[key].field(path), cut[key].field(path)
            assert (old.bit_offset, old.bit_size, old.size) == (new.bit_offset, new.bit_size, new.size)
            assert old.type.declaration == new.type.declaration


def test_extract_of_a_recording(btf):
    with btf.recording() as asked:
        dentry = btf.type("struct dentry *").target
        dentry.field("d_inode").type.target.field("i_ino")
    cut = parse(extract(btf, asked))
    assert cut["struct dentry"].offset_of("d_inode") == 24
    assert cut["struct dentry"].field("d_inode").type.target.field("i_ino").size == 8
    assert "struct qstr" not in cut
    with pytest.raises(FieldNotFound):
        cut["struct dentry"].field("d_name")


def test_extract_of_a_type_that_was_made_up(btf):
    with btf.recording() as asked:
        made = btf.type("const struct qstr")
        assert made.id == -1
        made.field("name")
    assert parse(extract(btf, asked))["struct qstr"].offset_of("name") == 8


def test_extract_fails(btf):
    with pytest.raises(TypeNotFound, match=r"^no type 'struct dentri' .* 'struct dentry'\?\)$"):
        extract(btf, ["struct dentri.d_name"])
    with pytest.raises(FieldNotFound, match=r"^struct dentry has no field 'd_nam' .* 'd_name'\?\)$"):
        extract(btf, ["struct dentry.d_nam"])


def test_reference_serves_probes_of_files():
    btf = reference()
    for key, path in (
        ("struct kiocb", "ki_filp"),
        ("struct kiocb", "ki_pos"),
        ("struct file", "f_path.dentry"),
        ("struct dentry", "d_name.name"),
        ("struct dentry", "d_sb"),
        ("struct inode", "i_sb"),
        ("struct super_block", "s_type"),
        ("struct task_struct", "real_parent"),
        ("struct task_struct", "comm[0]"),
        ("struct task_struct", "tgid"),
        ("struct task_struct", "nsproxy"),
        ("struct nsproxy", "mnt_ns"),
        ("struct mnt_namespace", "ns.inum"),
        ("struct pt_regs", "di"),
        ("struct kstatfs", "f_bfree"),
    ):
        assert btf[key].field(path).size in (1, 4, 8)
