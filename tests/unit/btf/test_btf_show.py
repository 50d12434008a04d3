"""The texts: C definitions, layouts, records."""

from __future__ import annotations

import pytest

from pybpf.btf import parse
from pybpf.btf.build import Builder
from pybpf.btf.describe import as_text, describe
from pybpf.btf.dump_c import dump_c, header
from pybpf.btf.layout import show
from pybpf.errors import BtfError


@pytest.fixture
def btf():
    b = Builder()
    u8, u32, u64 = b.integer("unsigned char", 1), b.integer("unsigned int", 4), b.integer("u64", 8)
    enum = b.enumeration("", 1, [("OFF", 0), ("ON", 1)])
    colour = b.enumeration("colour", 8, [("RED", -1), ("ON", 1 << 40)])
    fwd = b.forward("inode")
    inner = b.structure("", 8, [("low", u32, 0, 0), ("high", u32, 32, 0)])
    both = b.structure("", 8, [("whole", u64, 0, 0), ("", inner, 0, 0)], kind="union")
    node = b.forward("node")
    link = b.modifier("typedef", b.pointer(node), "link_t")
    callback = b.pointer(b.prototype(0, [("", link), ("", 0)]))
    b.structure(
        "node",
        64,
        [
            ("next", link, 0, 0),
            ("", both, 64, 0),
            ("call", callback, 128, 0),
            ("state", enum, 192, 0),
            ("a", u32, 201, 3),
            ("b", u32, 204, 4),
            ("inodes", b.array(b.pointer(b.modifier("const", fwd)), 2), 256, 0),
            ("rest", b.array(u8, 0), 416, 0),
        ],
    )
    b.structure("packed", 5, [("a", u8, 0, 0), ("b", u32, 8, 0)])
    b.structure("node", 4, [("other", u32, 0, 0)])
    b.modifier("typedef", colour, "colour_t")
    return parse(b.finish())


NODE = """\
struct node;

typedef struct node *link_t;

typedef unsigned long long u64;

struct inode;

struct node {
	link_t next;
	union {
		u64 whole;
		struct {
			unsigned int low;
			unsigned int high;
		};
	};
	void (*call)(link_t, ...);
	enum {
		OFF = 0,
		ON = 1,
	} __attribute__((mode(QI))) state;
	unsigned char : 1;
	unsigned int a: 3;
	unsigned int b: 4;
	const struct inode *inodes[2];
	unsigned char __pad1[4];
	unsigned char rest[0];
	unsigned char __pad2[12];
};

"""


def test_c_of_one_type_and_what_it_needs(btf):
    assert "".join(dump_c([btf["struct node"]])) == NODE


def test_c_of_all(btf):
    text = "".join(header(btf))
    assert text.startswith("#ifndef __VMLINUX_H__\n#define __VMLINUX_H__\n\n")
    assert text.endswith("\n#endif /* __VMLINUX_H__ */\n")
    assert "struct packed {\n\tunsigned char a;\n\tunsigned int b;\n} __attribute__((packed));\n" in text
    assert "struct node___2 {\n\tunsigned int other;\n};\n" in text
    assert "enum colour {\n\tRED = -1,\n\tON = 1099511627776ULL,\n} __attribute__((mode(DI)));\n" in text
    assert text.count("OFF") == text.count("ON___2 = 1,") == 1
    assert "typedef enum colour colour_t;\n" in text


def test_layout(btf):
    assert (
        show(btf["struct node"])
        == """\
struct node {
	/* --- cache line 0 (0 bytes) --- */
	link_t next;                            /*     0       8 */
	union {
		u64 whole;                      /*     8       8 */
		struct {
			unsigned int low;       /*     8       4 */
			unsigned int high;      /*    12       4 */
		};                              /*     8       8 */
	};                                      /*     8       8 */
	void (*call)(link_t, ...);              /*    16       8 */
	enum {...} state;                       /*    24       1 */
	/* hole: 1 bit */
	unsigned int a:3;                       /*    25:1     3 */
	unsigned int b:4;                       /*    25:4     4 */
	/* hole: 6 bytes */
	const struct inode *inodes[2];          /*    32      16 */
	/* hole: 4 bytes */
	unsigned char rest[];                   /*    52       0 */
	/* padding: 12 bytes */
	/* size: 64, cache lines: 1, members: 8, holes: 3, sum holes: 10 bytes 1 bit, padding: 12 bytes */
};"""
    )
    with pytest.raises(BtfError, match=r"^u64 has no layout: only structs and unions do$"):
        show(btf["u64"])


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("u64", "[3] INT 'u64' size=8 bits_offset=0 nr_bits=64 encoding=(none)"),
        ("colour_t", "[21] TYPEDEF 'colour_t' type_id=5"),
        (
            "enum colour",
            "[5] ENUM64 'colour' encoding=SIGNED size=8 vlen=2\n\t'RED' val=-1\n\t'ON' val=1099511627776",
        ),
        ("struct inode", "[6] FWD 'inode' fwd_kind=struct"),
        (
            "struct packed",
            "[19] STRUCT 'packed' size=5 vlen=2\n"
            "\t'a' type_id=1 bits_offset=0\n\t'b' type_id=2 bits_offset=8",
        ),
    ],
)
def test_records_as_text(btf, key, text):
    assert as_text(btf[key]) == text


def test_records_as_data(btf):
    node = describe(btf["struct node"])
    assert node["members"][4] == {"name": "a", "type_id": 2, "bits_offset": 201, "bitfield_size": 3}
    proto = next(type for type in btf if type.kind == "func_proto")
    assert describe(proto)["params"] == [{"name": "(anon)", "type_id": id} for id in (11, 0)]


@pytest.mark.parametrize(
    "members",
    [
        [("a", 1, 0, 0), ("b", 1, 16, 0)],
        [("a", 1, 0, 0), ("b", 1, 480, 0)],
        [("self", 2, 0, 0)],
    ],
)
def test_c_of_a_damaged_struct(members):
    b = Builder()
    b.integer("unsigned int", 4)
    b.structure("s", 8, members)
    with pytest.raises(BtfError, match=r"^damaged BTF: "):
        "".join(header(parse(b.finish())))
