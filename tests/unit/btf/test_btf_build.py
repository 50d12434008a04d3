"""What the builder makes is what the decoder reads: by table, and for any graph of types."""

from __future__ import annotations

import enum
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybpf.btf import parse
from pybpf.btf.build import Builder
from pybpf.btf.write import Writer, rebuild
from pybpf.errors import BtfError
from pybpf.source import Location
from pybpf.spec import Array, CString, Int, Pointer, Struct


class Op(enum.IntEnum):
    READ, WRITE = 0, 1


KEY = Struct("Key", [("tid", Int("u32", 4)), ("op", Int("Op", 4, names=Op))])
VALUE = Struct(
    "Start",
    [
        ("comm", CString[16]),
        ("start", Int("i64", 8, signed=True)),
        ("dentry", Pointer("struct dentry *")),
        ("keys", Array(KEY, 2)),
        ("any", Pointer("void *")),
    ],
)


@pytest.mark.parametrize("order", ["little", "big"])
def test_map_types(order):
    builder = Builder()
    key, value = builder.map_types(KEY, VALUE)
    assert builder.map_types(None, KEY) == (0, key)
    btf = parse(builder.finish(order))
    assert btf.byte_order == order
    assert (btf.by_id(key), btf.by_id(value)) == (btf["struct Key"], btf["struct Start"])
    assert [(m.type.declare(m.name), m.offset) for m in btf["struct Start"].members] == [
        ("char comm[16]", 0),
        ("i64 start", 16),
        ("struct dentry *dentry", 24),
        ("struct Key keys[2]", 32),
        ("void *any", 48),
    ]
    assert (btf["struct Start"].size, btf["struct Key"].size) == (VALUE.size, KEY.size)
    assert [(v.name, v.value) for v in btf["enum Op"].values] == [("READ", 0), ("WRITE", 1)]
    keys = [type.key for type in btf if type.name]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    ("values", "kind", "signed"),
    [
        ([("A", 0), ("B", (1 << 32) - 1)], "enum", False),
        ([("A", -1), ("B", (1 << 31) - 1)], "enum", True),
        ([("A", -1), ("B", 1 << 31)], "enum64", True),
        ([("A", 1 << 32)], "enum64", False),
        ([("A", -(1 << 63))], "enum64", True),
        ([("A", (1 << 64) - 1)], "enum64", False),
        ([], "enum", False),
    ],
)
def test_enumerations(values, kind, signed):
    builder = Builder()
    id = builder.enumeration("E", 8, values)
    found = parse(builder.finish()).by_id(id)
    assert (found.kind, found.signed) == (kind, signed)
    assert [(v.name, v.value) for v in found.values] == values


def test_all_other_kinds():
    b = Builder()
    u32 = b.integer("u32", 4)
    flag = b.integer("bool", 1, boolean=True)
    bits = b.structure("bits", 4, [("a", u32, 0, 3), ("b", u32, 3, 29)])
    union = b.structure("both", 4, [("whole", u32, 0, 0), ("parts", bits, 0, 0)], kind="union")
    volatile = b.modifier("volatile", b.modifier("typedef", union, "both_t"))
    function = b.function("probe")
    helper = b.function("helper", b.prototype(0, [("flag", flag), ("", 0)]), linkage="global")
    variable = b.variable("min_ns", volatile)
    section = b.section(".rodata", 8, [(variable, 4, 4)])
    tag = b.tag("user", helper, 0)
    btf = parse(b.finish())
    assert btf["struct bits"].field("b").load.left == 32
    assert btf.by_id(volatile).declaration == "volatile both_t"
    assert btf.function("probe").declare("probe") == "int probe(void *ctx)"
    assert btf.function("helper").declare("helper") == "void helper(bool flag, ...)"
    assert btf.by_id(function).linkage == 0
    assert btf.by_id(helper).linkage == 1
    [place] = btf.by_id(section).variables
    assert (place.type.id, place.offset, place.size, place.type.linkage) == (variable, 4, 4, 1)
    assert (btf.by_id(tag).target.id, btf.by_id(tag).component) == (helper, 0)
    assert (b.integer("u32", 4), b.pointer(u32), b.pointer(u32)) == (u32, len(btf), len(btf))


def test_line_info(tmp_path):
    source = tmp_path / "probe.py"
    source.write_text("a = 1\nb = 2\n")

    def at(line, column):
        return Location(str(source), line, column)

    b = Builder()
    raw = b.line_info([(7, at(2, 5000)), (0, at(1, 1)), (3, at(1, 1)), (5, at(1, 1))], starts=(0, 5))
    rows = list(struct.iter_unpack("=IIII", raw))
    btf = parse(b.finish())
    assert [
        (row[0], btf.string(row[1]), btf.string(row[2]), row[3] >> 10, row[3] & 1023) for row in rows
    ] == [
        (0, str(source), "a = 1", 1, 1),
        (5, str(source), "a = 1", 1, 1),
        (7, str(source), "b = 2", 2, 1023),
    ]
    assert b.func_info([(9, 4), (0, 3)]) == struct.pack("=4I", 0, 3, 9, 4)


def test_what_can_not_be_held():
    b = Builder()
    with pytest.raises(BtfError, match=r"^'a\\x00b' has a NUL in it: BTF can't hold it$"):
        b.forward("a\0b")
    with pytest.raises(BtfError, match=r"^func_proto '' has 65536 entries: BTF holds 65535$"):
        b.prototype(0, [("", 0)] * 65536)
    with pytest.raises(BtfError, match=r"^struct s has bit fields and is too large: 'b' is at bit 16777216$"):
        b.structure("s", 1 << 22, [("a", 1, 0, 3), ("b", 1, 1 << 24, 0)])


# Any graph: records of every kind whose ids lead anywhere, also to themselves.
NAMES = st.text("ab_é€\udcff", max_size=4)
WORD = st.integers(0, (1 << 32) - 1)
ID = st.integers(0, 12)
ROWS = {
    "int": (WORD, (WORD,), ()),
    "ptr": (ID, (), ()),
    "array": (WORD, (ID, ID, WORD), ()),
    "struct": (WORD, (), (NAMES, ID, WORD)),
    "union": (WORD, (), (NAMES, ID, WORD)),
    "enum": (WORD, (), (NAMES, WORD)),
    "fwd": (WORD, (), ()),
    "typedef": (ID, (), ()),
    "volatile": (ID, (), ()),
    "const": (ID, (), ()),
    "restrict": (ID, (), ()),
    "func": (ID, (), ()),
    "func_proto": (ID, (), (NAMES, ID)),
    "var": (ID, (WORD,), ()),
    "datasec": (WORD, (), (ID, WORD, WORD)),
    "float": (WORD, (), ()),
    "decl_tag": (ID, (WORD,), ()),
    "type_tag": (ID, (), ()),
    "enum64": (WORD, (), (NAMES, WORD, WORD)),
}


@st.composite
def records(draw):
    kind = draw(st.sampled_from(sorted(ROWS)))
    third, once, each = ROWS[kind]
    entries = draw(st.lists(st.tuples(*each), max_size=4)) if each else []
    return kind, draw(NAMES), draw(third), draw(st.tuples(*once)), entries, draw(st.booleans())


@given(graph=st.lists(records(), max_size=12), order=st.sampled_from(["little", "big"]))
def test_decoding_and_building_are_inverse(graph, order):
    writer = Writer()
    for kind, name, third, once, entries, flag in graph:
        words = [*once]
        words += [
            writer.string(word) if isinstance(word, str) else word for entry in entries for word in entry
        ]
        vlen = len(entries) if ROWS[kind][2] else 0
        writer.record(kind, name, third, words, vlen, flag)
    data = writer.finish(order)
    btf = parse(data)
    assert [(t.kind, t.name, t.flag) for t in btf] == [(kind, name, flag) for kind, name, *_, flag in graph]
    assert rebuild(btf).finish(order) == data
    other = "big" if order == "little" else "little"
    turned = parse(rebuild(btf).finish(other))
    assert turned.byte_order == other
    assert rebuild(turned).finish(order) == data
