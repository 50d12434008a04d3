"""The flat decoder against construct, which is made from the same layout."""

from __future__ import annotations

import enum
import itertools
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybpf.errors import BpfError
from pybpf.events import Decoder, event_class, text
from pybpf.events.arrays import dtype
from pybpf.events.records import MOST, Records, stride
from pybpf.spec import Array, Bits, CString, Field, Flat, Int, Layout, Struct, Union

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


def image(head: int, records: list[bytes]) -> Records:
    """Records as they lie in a buffer, with 0xee where nothing of theirs is; the same lengths in one run."""
    data, runs = b"", []
    for length, group in itertools.groupby(records, len):
        same = list(group)
        runs.append((len(data), length, len(same)))
        data += b"".join((b"\xee" * head + each).ljust(stride(head, length), b"\xee") for each in same)
    return Records(data, head, runs)


def cut(layout: Struct, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """A decoded tuple, with each text up to its first NUL."""
    leaves = layout.leaves()
    texts = (isinstance(leaf.layout, CString) for leaf in leaves)
    return tuple(value.split(b"\0")[0] if text else value for value, text in zip(values, texts))


@given(layouts, st.data())
def test_it_is_what_construct_parses(layout: Struct, data: st.DataObject) -> None:
    sizes = st.integers(layout.size, layout.size + 2)
    records = data.draw(
        st.lists(sizes.flatmap(lambda size: st.binary(min_size=size, max_size=size)), min_size=1, max_size=6)
    )
    parse, leaves = layout.construct().parse, list(layout.leaves())
    expected = [tuple(flat(parse(record), leaf) for leaf in leaves) for record in records]
    decoder = Decoder(layout)
    assert decoder.names == tuple(leaf.name for leaf in leaves)
    assert [cut(layout, decoder.decode(record)) for record in records] == expected
    for head in (8, 12):
        taken = image(head, records)
        assert taken.split() == records
        (values,) = decoder.decode_many([taken])
        assert [cut(layout, each) for each in values] == expected


@given(layouts, st.data())
def test_objects_are_what_construct_parses(layout: Struct, data: st.DataObject) -> None:
    record = data.draw(st.binary(min_size=layout.size, max_size=layout.size))
    event = event_class(layout)(Decoder(layout).decode(record))
    same(event, layout.construct().parse(record), layout)


def same(event: Any, parsed: Any, layout: Layout) -> None:
    if isinstance(layout, Struct):
        for name, member, _ in layout.fields:
            same(getattr(event, name), parsed[name], member)
    elif isinstance(layout, CString):
        assert event == parsed.decode("utf-8", "surrogateescape")
    elif isinstance(layout, Array):
        assert event == tuple(parsed)
    else:
        assert event == parsed


bits = st.sampled_from(INTS).flatmap(
    lambda unit: st.builds(Bits, st.just(unit), st.integers(1, unit.size * 8))
)


@given(structs(st.one_of(bits, bits, simple, structs(bits))), st.data())
def test_bit_fields_are_what_flat_unpacks(layout: Struct, data: st.DataObject) -> None:
    sizes = st.integers(layout.size, layout.size + 2)
    record = data.draw(sizes.flatmap(lambda size: st.binary(min_size=size, max_size=size)))
    expected = cut(layout, Flat(layout).unpack(record))
    decoder = Decoder(layout)
    assert cut(layout, decoder.decode(record)) == expected
    (values,) = decoder.decode_many([image(8, [record] * 3)])
    assert [cut(layout, each) for each in values] == [expected] * 3


def test_an_array_has_no_bit_fields() -> None:
    layout = Struct("Some", [("kind", Bits(INTS[0], 3))])
    with pytest.raises(BpfError, match=r"^Some\.kind is a bit field, which no array has: read batches$"):
        dtype(layout)


EVENT = Struct(
    "event", [("at", INTS[6]), ("proc", Struct("proc", [("comm", CString[4])])), ("file", CString[100])]
)


def test_an_object_says_what_it_is() -> None:
    op = enum.IntEnum("Op", {"READ": 0, "WRITE": 1})
    either = Union("either", [("a", INTS[0]), ("b", INTS[1])])
    layout = Struct(
        "Event", [("proc", EVENT.fields[1].layout), ("op", Int("Op", 4, names=op)), ("raw", either)]
    )
    make = event_class(layout)
    event = make((b"a\xff\0b", 1, b"x"))
    assert repr(event) == "Event(proc=proc(comm='a\\udcff'), op=<Op.WRITE: 1>, raw=b'x')"
    assert event == (b"a\xff\0b", 1, b"x")
    assert make((b"", 7, b"")).op == 7
    with pytest.raises(AttributeError):
        event.other = 1


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
    assert cut(EVENT, Decoder(EVENT).decode(record)) == (7, b"ab", file)
    for count in (1, 3):
        ((first, *others),) = Decoder(EVENT).decode_many([image(8, [record] * count)])
        assert cut(EVENT, first) == (7, b"ab", file)
        assert others == [first] * (count - 1)


def test_batches_are_of_some_hundreds() -> None:
    layout = Struct("pair", [("a", INTS[6])])
    taken = image(8, [struct.pack("<Q", number) for number in range(MOST)])
    batches = list(Decoder(layout).decode_many([taken, image(8, [bytes(8)]), taken]))
    assert [len(batch) for batch in batches] == [MOST, MOST + 1]
    assert [number for batch in batches for (number,) in batch] == [*range(MOST), 0, *range(MOST)]


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
    with pytest.raises(BpfError) as caught:
        list(Decoder(layout).decode_many([image(8, [bytes(size)])]))
    assert str(caught.value) == message


def test_text() -> None:
    assert text(b"caf\xc3\xa9\0\xff") == "caf\xe9"
    assert text(b"\xff") == "\udcff"
    assert text(b"\0") == ""
