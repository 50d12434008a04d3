"""What older kernels do not know is replaced; ids and strings stay where they are."""

from __future__ import annotations

from pybpf.btf import parse
from pybpf.btf.build import Builder
from pybpf.btf.describe import as_text
from pybpf.btf.older import for_older_kernels


def test_for_older_kernels():
    b = Builder()
    u32 = b.integer("u32", 4)
    b.enumeration("small", 4, [("LEAST", -1), ("MOST", 1)])
    b.enumeration("large", 8, [("MOST", 1 << 40)])
    b.enumeration("plain", 4, [("A", 0)])
    helper = b.function(
        "helper", b.prototype(u32, [("tagged", b.modifier("type_tag", u32, "user"))]), "global"
    )
    b.tag("kfunc", helper)
    b._add("float", "long double", 16)
    b.variable("counter", u32)
    data = b.finish()
    older = parse(for_older_kernels(data))
    assert older.strings() == parse(data).strings()
    assert [as_text(type) for type in older] == [
        "[1] INT 'u32' size=4 bits_offset=0 nr_bits=32 encoding=(none)",
        "[2] ENUM 'small' encoding=UNSIGNED size=4 vlen=2\n\t'LEAST' val=4294967295\n\t'MOST' val=1",
        "[3] INT 'large' size=8 bits_offset=0 nr_bits=64 encoding=(none)",
        "[4] ENUM 'plain' encoding=UNSIGNED size=4 vlen=1\n\t'A' val=0",
        "[5] CONST '(anon)' type_id=1",
        "[6] FUNC_PROTO '(anon)' ret_type_id=1 vlen=1\n\t'tagged' type_id=5",
        "[7] FUNC 'helper' type_id=6 linkage=static",
        "[8] INT 'kfunc' size=1 bits_offset=0 nr_bits=8 encoding=(none)",
        "[9] STRUCT '(anon)' size=16 vlen=0",
        "[10] VAR 'counter' type_id=1 linkage=global",
    ]


def test_what_is_old_already_stays():
    b = Builder()
    b.structure("pair", 8, [("a", b.integer("u32", 4), 0, 0), ("b", b.pointer(b.forward("x")), 32, 0)])
    b.function("probe")
    assert for_older_kernels(b.finish()) == b.finish()
