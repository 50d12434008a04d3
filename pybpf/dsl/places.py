"""What lies in the program's own memory: records, arrays, texts, numbers; read and written by layout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pybpf.codegen.ir import Block, Op
from pybpf.dsl.index import element, span
from pybpf.dsl.memory import Memory, copy, load_int, stack, store_int, zero
from pybpf.dsl.records import AnyRecord, RecordValue, number
from pybpf.dsl.text import Bytes, TextPlace, copy_bytes, copy_text
from pybpf.dsl.values import Scalar, Value, describe, integer, named
from pybpf.spec import Array, Bits, CString, Field, Int, Layout, Struct, Union

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["ArrayPlace", "RecordPlace", "load", "make", "place_of", "store"]


class RecordPlace(AnyRecord):
    """A record in memory: to set a member is to write there."""

    def __init__(self, layout: Struct, place: Memory) -> None:
        self.layout = layout
        self.place = place
        self.parts = (place.base,)

    def rebuild(self, parts: Sequence[Op]) -> RecordPlace:
        return RecordPlace(self.layout, self.place._replace(base=parts[0]))

    def same_kind(self, other: Value) -> bool:
        return (
            isinstance(other, RecordPlace) and other.layout is self.layout and self.place.alike(other.place)
        )

    def kept(self, cx: Context) -> RecordPlace:
        return RecordPlace(self.layout, self.place.settled(cx))

    def joined(self, other: Value) -> RecordPlace:
        assert isinstance(other, RecordPlace)
        return RecordPlace(self.layout, self.place.joined(other.place))

    def renewed(self) -> RecordPlace:
        return RecordPlace(self.layout, self.place._replace(align=self.layout.align))

    def truth(self, cx: Context) -> bool:
        return True

    def leaf(self, cx: Context, field: Field) -> Op:
        assert isinstance(field.layout, Int)
        return load_int(cx, self.place.part(field.offset, field.name), field.layout)

    def attribute(self, cx: Context, name: str) -> Any:
        field = self.member(cx, name)
        return load(cx, self.place.part(field.offset, name), field.layout)

    def set_attribute(self, cx: Context, name: str, value: Any) -> None:
        field = self.member(cx, name)
        place = self.place.part(field.offset, name)
        store(cx, place, field.layout, value, f"{self.layout.name}.{name}")
        if isinstance(self.layout, Union):
            rest = self.layout.size - field.layout.size
            zero(cx, self.place.part(field.layout.size, "rest"), rest)
            self.place.wrote(cx)

    def branch_leaf(self, cx: Context, other: AnyRecord, field: Field, same: Block, different: Block) -> None:
        if isinstance(field.layout, Int):
            return super().branch_leaf(cx, other, field, same, different)
        if not isinstance(other, RecordPlace):
            return other.branch_leaf(cx, self, field, same, different)
        if isinstance(field.layout, CString):
            mine, theirs = (
                load(cx, r.place.part(field.offset, field.name), field.layout) for r in (self, other)
            )
        else:
            size = field.layout.size
            mine, theirs = (Bytes(size, r.place.part(field.offset, field.name)) for r in (self, other))
        mine.branch_equal(cx, theirs, same, different)
        return None


class ArrayPlace(Value):
    """An array in memory."""

    def __init__(self, layout: Array, place: Memory) -> None:
        self.layout = layout
        self.place = place
        self.parts = (place.base,)

    def describe(self) -> str:
        return f"an array of {self.layout.count} {self.layout.element.name}"

    def rebuild(self, parts: Sequence[Op]) -> ArrayPlace:
        return ArrayPlace(self.layout, self.place._replace(base=parts[0]))

    def same_kind(self, other: Value) -> bool:
        return (
            isinstance(other, ArrayPlace)
            and _alike(other.layout, self.layout)
            and self.place.alike(other.place)
        )

    def kept(self, cx: Context) -> ArrayPlace:
        return ArrayPlace(self.layout, self.place.settled(cx))

    def joined(self, other: Value) -> ArrayPlace:
        assert isinstance(other, ArrayPlace)
        return ArrayPlace(self.layout, self.place.joined(other.place))

    def renewed(self) -> ArrayPlace:
        return ArrayPlace(self.layout, self.place._replace(align=self.layout.align))

    def length(self, cx: Context) -> int:
        return self.layout.count

    def _element(self, cx: Context, key: Any) -> Memory:
        return element(cx, self.place, key, self.layout.count, self.layout.element.size, self)

    def item(self, cx: Context, key: Any) -> Any:
        if isinstance(key, slice):
            start, stop = span(cx, key, self.layout.count, self)
            part = self.place.part(start * self.layout.element.size, f"[{start}:{stop}]")
            return ArrayPlace(Array(self.layout.element, stop - start), part)
        return load(cx, self._element(cx, key), self.layout.element)

    def set_item(self, cx: Context, key: Any, value: Any) -> None:
        if isinstance(key, slice):
            part = self.item(cx, key)
            store(cx, part.place, part.layout, value, "this slice")
        else:
            store(cx, self._element(cx, key), self.layout.element, value, f"an element of {self.describe()}")

    def branch_equal(self, cx: Context, other: Any, same: Block, different: Block) -> bool:
        if not isinstance(other, ArrayPlace):
            return False
        if not _alike(other.layout, self.layout):
            raise cx.error(f"{self.describe()} can't be compared with {other.describe()}")
        size = self.layout.size
        return Bytes(size, self.place).branch_equal(cx, Bytes(size, other.place), same, different)


def _alike(a: Layout, b: Layout) -> bool:
    """Whether one can be copied to the other: the same record, or arrays of as many elements alike."""
    return (
        a is b
        or (
            isinstance(a, Array)
            and isinstance(b, Array)
            and a.count == b.count
            and _alike(a.element, b.element)
        )
        or (isinstance(a, Int) and isinstance(b, Int) and a.name == b.name)
    )


def _is_bytes(layout: Layout) -> bool:
    return isinstance(layout, Array) and isinstance(layout.element, Int) and layout.element.name == "u8"


def load(cx: Context, place: Memory, layout: Layout) -> Any:
    """What lies at a place: a number or pointer is read, all else stays where it is."""
    if isinstance(layout, Int):
        return number(cx, load_int(cx, place, layout), layout)
    if isinstance(layout, CString):
        return TextPlace(layout.size, place=place)
    if isinstance(layout, Struct):
        return RecordPlace(layout, place)
    if _is_bytes(layout):
        return Bytes(layout.size, place)
    assert isinstance(layout, Array)
    return ArrayPlace(layout, place)


def store(cx: Context, place: Memory, layout: Layout, value: Any, what: str) -> None:
    """Set a place to a value, as its layout says; `what` names it in errors."""
    if isinstance(layout, Int):
        store_int(cx, place, layout, _fitting(cx, value, layout, what))
    elif isinstance(layout, CString):
        return copy_text(cx, place, layout.size, value, what)
    elif isinstance(value, (list, tuple)) and isinstance(layout, Array) and len(value) == layout.count:
        for index, each in enumerate(value):
            part = place.part(index * layout.element.size, f"[{index}]")
            store(cx, part, layout.element, each, f"{what}[{index}]")
    elif _is_bytes(layout):
        return copy_bytes(cx, place, layout.size, value, what)
    elif isinstance(value, RecordValue) and value.layout is layout:
        value.store(cx, place)
    elif isinstance(value, (RecordPlace, ArrayPlace)) and _alike(value.layout, layout):
        copy(cx, place, value.place, layout.size)
    else:
        kind = f"an array of {layout.count} {layout.element}" if isinstance(layout, Array) else named(layout)
        raise cx.error(f"{what} is {kind}, and can't be set to {describe(value)}")
    place.wrote(cx)
    return None


def _fitting(cx: Context, value: Any, layout: Int, what: str) -> Op:
    """A number that a place can hold; a bit field has too few bits for any type, so values must be small."""
    if not isinstance(layout, Bits) or not isinstance(value, Scalar):
        return integer(cx, value, layout, what)
    if value.least < layout.minimum or value.most > layout.maximum:
        kept = f"Bits[{layout.unit.name}, {layout.width}](x)"
        raise cx.error(
            f"{what} has {layout.width} bits and can't hold every {value.layout.name}: keep the low ones, as"
            f" in {kept}"
        )
    return value.op


def place_of(cx: Context, layout: Layout, value: Any, what: str) -> Memory:
    """Where a value of this layout lies; it is put into the stack when it lies nowhere yet."""
    if isinstance(value, (RecordPlace, ArrayPlace)) and _alike(value.layout, layout):
        return value.place
    if isinstance(value, TextPlace) and isinstance(layout, CString) and value.size == layout.size:
        place = value.memory(cx)
        if place.event is None:  # else it may be followed by what an earlier event left there
            return place
    place = stack(cx, layout.size, what)
    store(cx, place, layout, value, what)
    return place


def make(cx: Context, layout: Layout, args: Sequence[Any], values: dict[str, Any]) -> Any:
    """`Key(tid=1)`, `Array[u32, 4]()`, `CString[16]("text")`: new, what is not given is 0."""
    if isinstance(layout, Struct):
        return _record(cx, layout, args, values)
    if values or len(args) > (layout.count if isinstance(layout, Array) else 1):
        most = layout.count if isinstance(layout, Array) else 1
        raise cx.error(f"{layout.name}(...) takes its content, at most {most} value{'s' * (most > 1)}")
    place = stack(cx, layout.size, layout.name)
    if isinstance(layout, Array) and args:
        zero(cx, place, layout.size)
        for index, value in enumerate(args):
            part = place.part(index * layout.element.size, f"[{index}]")
            store(cx, part, layout.element, value, f"element {index}")
    elif args:
        store(cx, place, layout, args[0], layout.name)
    else:
        zero(cx, place, layout.size)
    return load(cx, place, layout)


def _record(cx: Context, layout: Struct, args: Sequence[Any], keywords: dict[str, Any]) -> Any:
    if len(args) > len(layout.fields):
        raise cx.error(f"{layout.name} has {len(layout.fields)} members, not {len(args)}")
    values = {field.name: arg for field, arg in zip(layout.fields, args)}
    twice = [name for name in keywords if name in values]
    if twice:
        raise cx.error(f"{layout.name}.{twice[0]} is given twice")
    values.update(keywords)
    if RecordValue.can_hold(layout):
        made: AnyRecord = RecordValue.new(layout)
        values = {**{field.name: 0 for field in layout.fields}, **values}
    else:
        place = stack(cx, layout.size, layout.name)
        zero(cx, place, layout.size)
        made = RecordPlace(layout, place)
    for name, value in values.items():
        made.set_attribute(cx, name, value)
    return made
