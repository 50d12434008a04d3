"""The flat decoder against construct, which is made from the same layout."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybpf.errors import BpfError
from pybpf.events import Decoder
from pybpf.spec import Array, CString, Field, Int, Layout, Struct

INTS = [
    Int(f"{'i' if signed else 'u'}{size * 8}", size, signed) for size in (1, 2, 4, 8) for signed in (0, 1)
]
simple = st.one_of(
    st.sampled_from(INTS),
    st.integers(1, 20).map(lambda size: CString[size]),
    st.builds(Array, st.sampled_from(INTS), st.integers(1, 3)),
)


def structs(member: st.SearchStrategy[Layout]) -> st.SearchStrategy[Struct]:
    return st.lists(member, min_size=1, max_size=5).map(
        lambda layouts: Struct("s", [(f"m{at}", layout) for at, layout in enumerate(layouts)])
    )


layouts = structs(st.one_of(simple, structs(st.one_of(simple, structs(simple)))))


def flat(parsed: Any, leaf: Field) -> Any:
    for name in leaf.name.split("."):
        parsed = parsed[name]
    if isinstance(leaf.layout, Array):
        element = leaf.layout.element
        return b"".join(struct.pack("<" + element.format, value) for value in parsed)
    return parsed


@given(layouts, st.data())
def test_it_is_what_construct_parses(layout: Struct, data: st.DataObject) -> None:
    record = data.draw(st.binary(min_size=layout.size, max_size=layout.size + 12))
    parsed = layout.construct().parse(record)
    decoder = Decoder(layout)
    leaves = list(layout.leaves())
    assert decoder.names == tuple(leaf.name for leaf in leaves)
    assert decoder.decode(record) == tuple(flat(parsed, leaf) for leaf in leaves)


EVENT = Struct(
    "event", [("at", INTS[6]), ("proc", Struct("proc", [("comm", CString[4])])), ("file", CString[100])]
)


@pytest.mark.parametrize(
    ("tail", "file"),
    [
        (b"", b""),
        (b"\0", b""),
        (b"name\0", b"name"),
        (b"name", b"name"),
        (b"name\0garbage", b"name"),
        (b"x" * 100, b"x" * 100),
        (b"x" * 100 + b"padding.", b"x" * 100),
        (b"\xff\xfe\0", b"\xff\xfe"),
    ],
)
def test_a_text_at_the_end_may_be_sent_at_its_true_length(tail: bytes, file: bytes) -> None:
    record = struct.pack("<Q4s", 7, b"ab") + tail
    assert Decoder(EVENT).decode(record) == (7, b"ab", file)


@pytest.mark.parametrize(
    ("layout", "size", "message"),
    [
        (EVENT, 11, "a record of 11 bytes is no event: expected 12 or more"),
        (
            Struct("pair", [("a", INTS[6]), ("b", INTS[4])]),
            11,
            "a record of 11 bytes is no pair: expected 12 or more",
        ),
    ],
)
def test_a_record_that_is_too_short(layout: Struct, size: int, message: str) -> None:
    with pytest.raises(BpfError) as caught:
        Decoder(layout).decode(bytes(size))
    assert str(caught.value) == message
