"""CO-RE: each question, of fields that moved, were renamed or became bit fields."""

from __future__ import annotations

import pytest

from pybpf.btf import parse
from pybpf.btf.build import Builder
from pybpf.btf.core import Relocation, candidates, relocate
from pybpf.btf.core_match import essential_name
from pybpf.errors import BtfError


def local_types(order):
    b = Builder()
    u32, s64, u64 = b.integer("u32", 4), b.integer("s64", 8, True), b.integer("u64", 8)
    inner = b.structure("inner", 8, [("x", u32, 0, 0), ("y", u32, 32, 0)])
    union = b.structure("", 8, [("whole", u64, 0, 0), ("half", u32, 0, 0)], kind="union")
    b.structure(
        "task___old",
        64,
        [
            ("pid", u32, 0, 0),
            ("", union, 64, 0),
            ("inners", b.array(inner, 2), 128, 0),
            ("flag", u32, 256, 1),
            ("gone", u32, 288, 0),
            ("next", b.pointer(0), 320, 0),
            ("signed", s64, 384, 0),
        ],
    )
    b.structure("task___like", 8, [("pid", u32, 0, 0)])
    b.structure("task___unlike", 8, [("pid", u64, 0, 0)])
    b.structure("missing", 8, [])
    b.enumeration("state", 4, [("RUN", 0), ("STOP", 1), ("GONE___x", 2)])
    b.modifier("typedef", u32, "word_t")
    b.modifier("typedef", b.structure("", 4, [("v", u32, 0, 0)]), "anon_t")
    b.structure("both", 4, [("a", u32, 0, 0)])
    return parse(b.finish(order))


def kernel_types(order):
    b = Builder()
    u32, s32, s64, u64 = (
        b.integer("u32", 4),
        b.integer("s32", 4, True),
        b.integer("s64", 8, True),
        b.integer("u64", 8),
    )
    inner = b.structure("inner", 12, [("z", u32, 0, 0), ("y", u32, 32, 0), ("x", u64, 64, 0)])
    deep = b.structure("", 16, [("pad", u64, 0, 0), ("half", u32, 64, 0), ("whole", u64, 64, 0)])
    b.structure(
        "task",
        128,
        [
            ("", deep, 0, 0),
            ("flag", s32, 130, 3),
            ("inners", b.array(inner, 2), 192, 0),
            ("pid", u32, 384, 0),
            ("next", b.pointer(u64), 448, 0),
            ("signed", s64, 512, 0),
        ],
    )
    b.enumeration("state", 8, [("STOP", 7), ("RUN", 1 << 40)])
    b.modifier("typedef", u64, "word_t")
    b.modifier("typedef", b.structure("", 8, [("w", u32, 0, 0), ("v", u32, 32, 0)]), "anon_t")
    b.structure("both", 4, [("a", u32, 0, 0)])
    b.structure("both", 8, [("a", u32, 32, 0)])
    return parse(b.finish(order))


R = Relocation
TASK = "struct task___old"


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize(
    ("key", "access", "kind", "answer"),
    [
        (TASK, "0:0", R.FIELD_BYTE_OFFSET, 48),
        (TASK, "2:0", R.FIELD_BYTE_OFFSET, 2 * 128 + 48),
        (TASK, "0:0", R.FIELD_BYTE_SIZE, 4),
        (TASK, "0:0", R.FIELD_EXISTS, 1),
        (TASK, "0:1:0", R.FIELD_BYTE_OFFSET, 8),
        (TASK, "0:1:1", R.FIELD_BYTE_OFFSET, 8),
        (TASK, "0:2:1:0", R.FIELD_BYTE_OFFSET, 24 + 12 + 8),
        (TASK, "0:2:1:0", R.FIELD_BYTE_SIZE, 8),
        (TASK, "0:2:1:1", R.FIELD_BYTE_OFFSET, 24 + 12 + 4),
        (TASK, "0:2:1", R.FIELD_BYTE_OFFSET, 24 + 12),
        (TASK, "0:2:5", R.FIELD_BYTE_OFFSET, None),
        (TASK, "0:3", R.FIELD_BYTE_OFFSET, 16),
        (TASK, "0:3", R.FIELD_BYTE_SIZE, 4),
        (TASK, "0:3", R.FIELD_SIGNED, 1),
        (TASK, "0:3", R.FIELD_LSHIFT_U64, {"little": 59, "big": 34}),
        (TASK, "0:3", R.FIELD_RSHIFT_U64, 61),
        (TASK, "0:0", R.FIELD_LSHIFT_U64, 32),
        (TASK, "0:0", R.FIELD_SIGNED, 0),
        (TASK, "0:4", R.FIELD_EXISTS, 0),
        (TASK, "0:4", R.FIELD_BYTE_OFFSET, None),
        (TASK, "0:5", R.FIELD_BYTE_OFFSET, 56),
        (TASK, "0:6", R.FIELD_SIGNED, 1),
        ("anon_t", "0:0", R.FIELD_BYTE_OFFSET, 4),
        (TASK, "0", R.TYPE_EXISTS, 1),
        (TASK, "0", R.TYPE_SIZE, 128),
        (TASK, "0", R.TYPE_MATCHES, 0),
        ("struct task___like", "0", R.TYPE_MATCHES, 1),
        ("struct task___unlike", "0", R.TYPE_MATCHES, 0),
        ("struct missing", "0", R.TYPE_EXISTS, 0),
        ("struct missing", "0", R.TYPE_MATCHES, 0),
        ("struct missing", "0", R.TYPE_SIZE, None),
        ("word_t", "0", R.TYPE_SIZE, 8),
        ("u32", "0", R.TYPE_EXISTS, 1),
        ("enum state", "0", R.ENUMVAL_VALUE, 1 << 40),
        ("enum state", "1", R.ENUMVAL_VALUE, 7),
        ("enum state", "1", R.ENUMVAL_EXISTS, 1),
        ("enum state", "2", R.ENUMVAL_EXISTS, 0),
        ("enum state", "2", R.ENUMVAL_VALUE, None),
        ("enum state", "0", R.TYPE_MATCHES, 0),
        ("struct both", "0:0", R.FIELD_EXISTS, 1),
    ],
)
def test_relocate(order, key, access, kind, answer):
    local = local_types(order)[key]
    expected = answer[order] if isinstance(answer, dict) else answer
    assert relocate(kind, local, access, kernel_types(order)) == expected


def test_ids():
    local, target = local_types("little"), kernel_types("little")
    task = local[TASK]
    assert relocate(R.TYPE_ID_LOCAL, task, "0", target) == task.id
    assert relocate(R.TYPE_ID_TARGET, task, "0", target) == target["struct task"].id
    assert [type.id for type in candidates(target, task)] == [target["struct task"].id]


@pytest.mark.parametrize(
    ("key", "access", "kind", "message"),
    [
        (
            "struct both",
            "0:0",
            R.FIELD_BYTE_OFFSET,
            r"^struct both: FIELD_BYTE_OFFSET is ambiguous in this kernel: 0 ",
        ),
        (TASK, "0:9", R.FIELD_EXISTS, r"^struct task___old has 7 members: there is no number 9$"),
        (
            TASK,
            "0:0:0",
            R.FIELD_EXISTS,
            r"^struct task___old: an access goes into a int, which has no members$",
        ),
        (TASK, "0:x", R.FIELD_EXISTS, r"^'0:x' is no access of a CO-RE relocation: such as 0:2:1$"),
        ("enum state", "3", R.ENUMVAL_VALUE, r"^enum state has 3 values: there is no number 3$"),
    ],
)
def test_relocate_fails(key, access, kind, message):
    with pytest.raises(BtfError, match=message):
        relocate(kind, local_types("little")[key], access, kernel_types("little"))


@pytest.mark.parametrize(
    ("name", "essential"),
    [("file___v2", "file"), ("file", "file"), ("___x", "___x"), ("a___b___c", "a___b"), ("a__b", "a__b")],
)
def test_flavours(name, essential):
    assert essential_name(name) == essential
