"""Looking up, resolving, laying out; each in both byte orders."""

from __future__ import annotations

import pytest

from pybpf.btf import parse
from pybpf.errors import BtfError, FieldNotFound, TypeNotFound


@pytest.fixture
def btf(blob):
    """A little kernel: struct file with anonymous members, arrays, bit fields, typedef and const chains."""
    u32 = blob.integer("unsigned int", 4)
    s32 = blob.integer("int", 4, 1)
    char = blob.integer("char", 1, 2)
    ulong = blob.integer("long unsigned int", 8)
    u64 = blob.add("typedef", "u64", ulong)
    const = blob.add("const", "", u64)
    tag = blob.add("type_tag", "rcu", const)
    dentry_fwd = blob.add("fwd", "dentry", 0)
    dentry_ptr = blob.add("ptr", "", dentry_fwd)
    blob.add("fwd", "u_only", 0, flag=1)
    comm = blob.array(char, 16, u32)
    inner = blob.add("struct", "", 8, [("low", u32, 0), ("high", s32, 32)])
    union = blob.add("union", "", 8, [("whole", tag, 0), ("", inner, 0)])
    pair = blob.add("struct", "pair", 8, [("a", u32, 0), ("b", u32, 32)])
    pairs = blob.array(pair, 3, u32)
    flexible = blob.array(pair, 0, u32)
    blob.add(
        "struct",
        "file",
        72,
        [
            ("f_dentry", dentry_ptr, 0),
            ("", union, 64),
            ("comm", comm, 128),
            ("pairs", pairs, 256),
            ("one", u32, 1 << 24 | 448),
            ("five", s32, 5 << 24 | 449),
            ("wide", u64, 20 << 24 | 474),
            ("tail", flexible, 512),
        ],
        flag=1,
    )
    proto = blob.add("func_proto", "", s32, [("dentry", dentry_ptr), ("", char), ("", 0)])
    blob.add("func", "file_open", proto, vlen=1)
    blob.add("enum", "op", 4, [("READ", 0), ("WRITE", -1)], flag=1)
    blob.add("enum64", "big", 8, [("MOST", 0xFFFFFFFF, 0x7FFFFFFF), ("LEAST", 0, 0x80000000)], flag=1)
    blob.add("enum64", "ubig", 8, [("MOST", 0xFFFFFFFF, 0xFFFFFFFF)])
    blob.add("typedef", "op", u32)
    var = blob.add("var", "counter", u32, extra=[1])
    blob.add("datasec", ".bss", 8, [(var, 4, 4)])
    blob.add("decl_tag", "kfunc", proto, extra=[0xFFFFFFFF])
    blob.add("decl_tag", "user", proto, extra=[2])
    blob.add("float", "double", 8)
    return parse(blob.bytes())


@pytest.mark.parametrize(
    ("key", "kind", "name", "size", "signed"),
    [
        ("struct file", "struct", "file", 72, False),
        ("enum op", "enum", "op", 4, True),
        ("op", "typedef", "op", 4, False),
        ("u64", "typedef", "u64", 8, False),
        ("unsigned long", "int", "long unsigned int", 8, False),
        ("unsigned", "int", "unsigned int", 4, False),
        ("int", "int", "int", 4, True),
        ("signed", "int", "int", 4, True),
        ("double", "float", "double", 8, False),
        ("enum big", "enum64", "big", 8, True),
        ("struct dentry", "fwd", "dentry", 0, False),
        ("union u_only", "fwd", "u_only", 0, False),
        ("void", "void", "void", 0, False),
    ],
)
def test_lookup(btf, key, kind, name, size, signed):
    found = btf[key]
    assert (found.kind, found.name, found.size, found.signed) == (kind, name, size, signed)
    assert btf[key] is found
    assert key in btf


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("file", "no type 'file' in this BTF (did you mean 'struct file'?)"),
        ("struct fil", "no type 'struct fil' in this BTF (did you mean 'struct file'?)"),
        ("union file", "no type 'union file' in this BTF (did you mean 'struct file'?)"),
        ("struct u_only", "no type 'struct u_only' in this BTF (did you mean 'union u_only'?)"),
        ("struct op", "no type 'struct op' in this BTF (did you mean 'enum op' or 'op'?)"),
        ("zzzz", "no type 'zzzz' in this BTF"),
        ("struct pair.a", "no type 'struct pair.a' in this BTF (did you mean 'struct pair'?)"),
    ],
)
def test_lookup_fails(btf, key, message):
    assert key not in btf
    with pytest.raises(TypeNotFound) as error:
        btf[key]
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("path", "bit_offset", "bit_size", "declaration"),
    [
        ("f_dentry", 0, 0, "struct dentry *"),
        ("whole", 64, 0, "const u64"),
        ("low", 64, 0, "unsigned int"),
        ("high", 96, 0, "int"),
        ("comm", 128, 0, "char[16]"),
        ("comm[15]", 248, 0, "char"),
        ("pairs[2].b", 416, 0, "unsigned int"),
        ("one", 448, 1, "unsigned int"),
        ("five", 449, 5, "int"),
        ("tail", 512, 0, "struct pair[]"),
        ("tail[7].b", 992, 0, "unsigned int"),
    ],
)
def test_field(btf, path, bit_offset, bit_size, declaration):
    field = btf["struct file"].field(path)
    assert (field.name, field.bit_offset, field.bit_size) == (path, bit_offset, bit_size)
    assert (field.offset, field.type.declaration) == (bit_offset // 8, declaration)
    assert btf["struct file"].offset_of(path) == bit_offset // 8


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("f_dentri", FieldNotFound, "struct file has no field 'f_dentri' (did you mean 'f_dentry'?)"),
        ("hihg", FieldNotFound, "struct file has no field 'hihg' (did you mean 'high'?)"),
        ("pairs[3]", FieldNotFound, "struct file has no field 'pairs[3]' (did you mean 'pairs[2]'?)"),
        ("low[0]", FieldNotFound, "struct file has no field 'low[0]' (did you mean 'low'?)"),
        ("pairs[1].aa", FieldNotFound, "struct file has no field 'pairs[1].aa' (did you mean 'pairs[1].a'?)"),
        ("comm.x", FieldNotFound, "struct file has no field 'comm.x'"),
        (
            "f_dentry.d_name",
            BtfError,
            "the path 'f_dentry.d_name' from struct file leads through the pointer 'f_dentry': "
            "read the pointer first",
        ),
        ("", BtfError, "'' is no path to a field: such as 'd_name.name' or 'comm[0]'"),
        ("comm[-1]", BtfError, "'comm[-1]' is no path to a field: such as 'd_name.name' or 'comm[0]'"),
        ("a..b", FieldNotFound, "struct file has no field 'a..b'"),
    ],
)
def test_field_fails(btf, path, error, message):
    with pytest.raises(error) as caught:
        btf["struct file"].field(path)
    assert str(caught.value) == message
    assert type(caught.value) is error


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("path", ["one", "five", "wide", "low", "high", "whole", "pairs[1].a", "f_dentry"])
def test_load_extracts_what_was_stored(btf, path, signed):
    """Store a value at the field's bits, read it back as generated code would."""
    field = btf["struct file"].field(path)
    bits = field.bit_size or field.size * 8
    value = 1 << bits - 1 | 1 if signed else (1 << bits) // 3
    if btf.byte_order == "little":
        memory = (value << field.bit_offset).to_bytes(80, "little")
    else:
        memory = (value << 640 - field.bit_offset - bits).to_bytes(80, "big")
    load = field.load
    assert load.offset % load.size == 0
    word = int.from_bytes(memory[load.offset : load.offset + load.size], btf.byte_order)
    word = word << load.left & (1 << 64) - 1
    if load.signed and word >> 63:
        word -= 1 << 64
    expected = value - (1 << bits) if field.type.signed and value >> bits - 1 else value
    assert word >> load.right == expected


def test_load_refuses(btf):
    with pytest.raises(BtfError, match=r"^'comm' \(char\[16\], 16 bytes\) is not read by one load$"):
        _ = btf["struct file"].field("comm").load


def test_functions(btf):
    proto = btf.function("file_open")
    assert proto.kind == "func_proto"
    assert proto.returns is btf["int"]
    assert [(p.name, p.type.declaration) for p in proto.parameters] == [
        ("dentry", "struct dentry *"),
        ("", "char"),
        ("...", "void"),
    ]
    assert proto.declare("file_open") == "int file_open(struct dentry *dentry, char, ...)"
    with pytest.raises(TypeNotFound) as error:
        btf.function("file_opn")
    assert str(error.value) == "no type 'file_opn()' in this BTF (did you mean 'file_open'?)"


def test_values(btf):
    def values(key):
        return [(value.name, value.value) for value in btf[key].values]

    assert values("enum op") == [("READ", 0), ("WRITE", -1)]
    assert values("enum big") == [("MOST", (1 << 63) - 1), ("LEAST", -(1 << 63))]
    assert values("enum ubig") == [("MOST", (1 << 64) - 1)]


def test_other_kinds(btf):
    section = next(type for type in btf if type.kind == "datasec")
    [place] = section.variables
    assert (place.offset, place.size, place.type.name, place.type.linkage) == (4, 4, "counter", 1)
    assert [type.component for type in btf if type.kind == "decl_tag"] == [-1, 2]
    assert [type.linkage for type in btf if type.kind == "func"] == [1]
    assert btf["char"].encoding == 2
    assert (btf["struct file"].field("comm").type.count, btf["struct file"].count) == (16, 0)


@pytest.mark.parametrize(
    ("text", "id_found", "size"),
    [
        ("struct dentry *", True, 8),
        ("struct  dentry*", True, 8),
        ("const u64", True, 8),
        ("u64 const", True, 8),
        ("const char *", False, 8),
        ("void *", False, 8),
        ("struct file *const *", False, 8),
        ("unsigned long", True, 8),
    ],
)
def test_declarations(btf, text, id_found, size):
    found = btf.type(text)
    assert (found.id > 0, found.size) == (id_found, size)
    assert btf.type(text) is found
    assert btf.type(found.declaration).declaration == found.declaration


@pytest.mark.parametrize("text", ["", "*", "struct file [3]", "int (*)(void)", "struct a * b"])
def test_declarations_fail(btf, text):
    with pytest.raises(BtfError, match="is no C type that can be read"):
        btf.type(text)


def test_tags(btf):
    proto = btf.function("file_open")
    assert [(tag.name, tag.component) for tag in btf.tags(proto)] == [("kfunc", -1), ("user", 2)]
    assert list(btf.tags(btf["struct file"])) == []


def test_made_up_pointer_leads_on(btf):
    found = btf.type("struct file **")
    assert found.target.target is btf["struct file"]
    assert found.declaration == "struct file **"


def test_recording(btf):
    with btf.recording() as asked:
        btf.type("struct file *").target.field("pairs[1].a")
        btf.function("file_open")
    assert {(btf.by_id(id).key, path) for id, path in asked} == {
        ("struct file", ""),
        ("struct file", "pairs[1].a"),
        ("file_open", ""),
    }
    assert len(asked) == 3
    btf["struct pair"].field("a")
    assert len(asked) == 3


def test_len_and_ids(btf):
    assert [type.id for type in btf] == list(range(1, len(btf)))
    assert btf.by_id(0).kind == "void"
    with pytest.raises(BtfError, match=rf"^damaged BTF: no type #{len(btf)} among {len(btf)}$"):
        btf.by_id(len(btf))


@pytest.mark.parametrize("in_order", [True, False], ids=["sorted", "unsorted"])
def test_types_in_the_order_of_their_names(blob, in_order):
    """As kernels since 7.0 have them: found by halving, with the same results."""
    u32 = blob.integer("", 4)
    names = [f"t{number:03}" for number in range(600)]
    if not in_order:
        names = names[300:] + names[:300]
    for name in names:
        blob.add("struct", name, 4, [("of_" + name, u32, 0)])
        if name.endswith("7"):
            blob.add("typedef", name, u32)
            blob.add("struct", name, 8)
    btf = parse(blob.bytes())
    sizes = {}
    for _ in range(2):
        for name in ("t000", "t007", "t123", "t299", "t300", "t599"):
            sizes.setdefault(name, []).append(tuple(type.size for type in btf.all(f"struct {name}")))
        assert btf["t007"].kind == "typedef"
        assert "struct t1000" not in btf
        assert "t008" not in btf
        # Only once all types were stepped over is the order known.
        len(btf)
    assert btf._is_sorted() == in_order
    assert sizes == {name: [(4, 8) if name == "t007" else (4,)] * 2 for name in sizes}
