"""How layouts lie in memory: as C lays them out, and back and forth through `Flat`."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybpf.btf import parse
from pybpf.btf.build import Builder
from pybpf.errors import UsageError
from pybpf.spec import Array, Bits, CString, Flat, Int, Struct, Union

u8, u16, u32, u64 = (Int(f"u{size * 8}", size) for size in (1, 2, 4, 8))
i8, i16, i32, i64 = (Int(f"i{size * 8}", size, signed=True) for size in (1, 2, 4, 8))
INTEGERS = (u8, u16, u32, u64, i8, i16, i32, i64)

# Members; and what gcc makes of them on x86-64: the size, and where each begins, in bits.
C = {
    "bit fields of all units": (
        [("x", Bits[u8, 3]), ("y", Bits[u8, 6]), ("z", Bits[u16, 9]), ("w", Bits[u32, 20]), ("k", u8)],
        (8, [0, 8, 16, 32, 56]),
    ),
    "bit fields with a member between": (
        [("a", Bits[u32, 3]), ("b", u8), ("c", Bits[u32, 30]), ("d", Bits[u64, 33]), ("e", Bits[i32, 5])],
        (16, [0, 8, 32, 64, 97]),
    ),
    "a bit field after a member": ([("p", u8), ("q", Bits[u64, 10]), ("r", u16)], (8, [0, 8, 32])),
    "signed after unsigned": ([("a", Bits[u32, 3]), ("b", Bits[i32, 4])], (4, [0, 3])),
    "padding": ([("a", u8), ("b", u64), ("c", u16), ("d", CString(3))], (24, [0, 64, 128, 144])),
    "nested": (
        [("a", u8), ("b", Struct("inner", [("x", u16), ("y", u8)])), ("c", Array(u32, 2))],
        (16, [0, 16, 64]),
    ),
    "a union": (
        [("a", u8), ("b", Union("u", [("x", u64), ("y", CString(9))])), ("c", u8)],
        (32, [0, 64, 192]),
    ),
}


@pytest.mark.parametrize("name", C)
def test_as_c(name):
    members, (size, starts) = C[name]
    made = Struct("s", members)
    found = [field.offset * 8 + getattr(field.layout, "shift", 0) for field in made.fields]
    assert (made.size, found) == (size, starts)
    builder = Builder()
    number = builder.layout(made)
    rows = parse(builder.finish()).by_id(number).members
    assert [row.bit_offset for row in rows] == starts
    assert [row.bit_size for row in rows] == [getattr(layout, "width", 0) for _, layout in members]


def test_packed():
    made = Struct("s", [("a", u8), ("b", u64), ("c", u16)], packed=True)
    assert (made.size, made.align, [field.offset for field in made.fields]) == (11, 1, [0, 1, 9])
    assert Flat(made).pack((1, 2, 3)) == struct.pack("<BQH", 1, 2, 3)


def leaf(layout):
    return st.integers(layout.minimum, layout.maximum)


plain = st.sampled_from(INTEGERS)
bits = st.tuples(plain, st.integers(1, 8)).map(lambda each: Bits[each])


@given(st.lists(st.one_of(plain, bits), min_size=1, max_size=9), st.data())
def test_what_is_packed_is_unpacked(layouts, data):
    made = Struct("s", [(f"m{index}", layout) for index, layout in enumerate(layouts)])
    values = tuple(data.draw(leaf(layout)) for layout in layouts)
    flat = Flat(made)
    packed = flat.pack(values)
    assert len(packed) == flat.size == made.size
    assert flat.unpack(packed) == values
    number = int.from_bytes(packed, "little")
    for field, value in zip(made.fields, values):
        width = getattr(field.layout, "width", field.layout.size * 8)
        start = field.offset * 8 + getattr(field.layout, "shift", 0)
        assert (number >> start) & ((1 << width) - 1) == value & ((1 << width) - 1)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ((u8, 9), "Bits[unit, n] are n bits of an integer, such as Bits[u32, 3], not (u8, 9)"),
        (
            (CString(4), 1),
            "Bits[unit, n] are n bits of an integer, such as Bits[u32, 3], not (CString[4], 1)",
        ),
        ((u8, 0), "Bits[unit, n] are n bits of an integer, such as Bits[u32, 3], not (u8, 0)"),
    ],
)
def test_no_bit_field(key, message):
    with pytest.raises(UsageError) as caught:
        Bits[key]
    assert str(caught.value) == message


def test_a_value_that_has_too_many_bits():
    with pytest.raises(struct.error, match=r"^u8:3 is a number from 0 to 7$"):
        Flat(Struct("s", [("a", Bits[u8, 3])])).pack((8,))
