"""Memory decoded by the construct of a BTF struct, in both byte orders."""

from __future__ import annotations

import construct
import pytest

from pybpf.btf import parse
from pybpf.btf.build import Builder
from pybpf.errors import BtfError


def make(order):
    b = Builder()
    u32, s16, u64 = b.integer("unsigned int", 4), b.integer("short int", 2, True), b.integer("u64", 8)
    flag, char = b.integer("bool", 1, boolean=True), b.integer("char", 1, True)
    big = b.integer("__int128", 16, True)
    colour = b.enumeration("colour", 4, [("RED", 0), ("BLUE", 7)])
    halves = b.structure("", 8, [("low", u32, 0, 0), ("high", u32, 32, 0)])
    union = b.structure("", 8, [("whole", u64, 0, 0), ("", halves, 0, 0)], kind="union")
    pair = b.structure("pair", 4, [("x", s16, 0, 0), ("y", s16, 16, 0)])
    b.structure(
        "all",
        96,
        [
            ("", union, 0, 0),
            ("name", b.array(char, 6), 64, 0),
            ("set", flag, 112, 0),
            ("bits", u32, 124, 20),
            ("signed_bits", b.integer("int", 4, True), 144, 4),
            ("colour", colour, 160, 0),
            ("pairs", b.array(pair, 2), 192, 0),
            ("next", b.pointer(pair), 256, 0),
            ("big", big, 384, 0),
            ("ratio", b._add("float", "double", 8), 512, 0),
            ("tail", b.array(u32, 0), 768, 0),
        ],
    )
    b.forward("opaque")
    return parse(b.finish(order))


VALUES = {
    "whole": 0x1122334455667788,
    "name": b"bash",
    "set": True,
    "bits": 0xABCDE,
    "signed_bits": -3,
    "colour": "BLUE",
    "pairs": [{"x": -1, "y": 2}, {"x": 300, "y": -400}],
    "next": 0xFFFF888000000000,
    "big": -5,
    "ratio": 0.5,
}


@pytest.mark.parametrize("order", ["little", "big"])
def test_build_then_parse(order):
    made = make(order)["struct all"].construct()
    raw = made.build(VALUES)
    assert len(raw) == made.sizeof() == 96
    found = made.parse(raw)
    assert {name: found[name] for name in VALUES} == VALUES
    low, high = (0x55667788, 0x11223344) if order == "little" else (0x11223344, 0x55667788)
    assert (found.low, found.high, found.tail) == (low, high, [])
    assert made.build(found) == raw


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"bits": 1 << 20}, construct.IntegerError, "'bits' is a bit field of 20 bits: 1048576 does"),
        (
            {"signed_bits": 8},
            construct.IntegerError,
            "'signed_bits' is a bit field of 4 bits: 8 does",
        ),
        ({"name": b"toolong"}, construct.StringError, "b'toolong' does not fit in 6 bytes"),
    ],
)
def test_build_refuses(values, error, message):
    with pytest.raises(error, match=message):
        make("little")["struct all"].construct().build(values)


def test_what_has_no_size():
    btf = make("little")
    with pytest.raises(BtfError, match=r"^struct opaque is a fwd without a size: nothing can be decoded$"):
        btf["struct opaque"].construct()
    assert btf.type("struct opaque *").construct().parse(bytes(8)) == 0
