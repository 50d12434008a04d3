"""Bytes and texts: compared, searched at their start, sliced and copied as wholes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pybpf.codegen.ir import Block, Op
from pybpf.dsl.branching import flag
from pybpf.dsl.index import element, span
from pybpf.dsl.kernel import KernelMemory
from pybpf.dsl.memory import Memory, chunks, read, stack, write, zero
from pybpf.dsl.method import Methods, method
from pybpf.dsl.types import u8
from pybpf.dsl.values import Condition, Scalar, Value, describe, integer

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["Bytes", "ConstantText", "Text", "TextPlace", "Unsized", "copy_bytes", "copy_text"]


def _encoded(value: Any) -> bytes | None:
    """The bytes of a text that is known at build time; None for all else."""
    return value.encode() if isinstance(value, str) else value if isinstance(value, bytes) else None


def _shown(data: bytes) -> str:
    """Bytes in an error, as text where they are one."""
    return repr(data.decode()) if data.isascii() and data.decode().isprintable() else repr(data)


class Bytes(Methods):
    """`size` bytes at `place`."""

    def __init__(self, size: int, place: Memory) -> None:
        self.size = size
        self.place: Memory | None = place
        self.parts = (place.base,)

    def describe(self) -> str:
        return f"{self.size} bytes"

    def rebuild(self, parts: Sequence[Op]) -> Value:
        return self.moved(self.memory_of(parts)) if parts else self

    def same_kind(self, other: Value) -> bool:
        return (
            type(self) is type(other)
            and isinstance(other, Bytes)
            and self.size == other.size
            and self.place is not None
            and self.place.alike(other.place)
        )

    def kept(self, cx: Context) -> Value:
        return Bytes(self.size, self.memory(cx).settled(cx))

    def joined(self, other: Value) -> Value:
        if self.place is None or not isinstance(other, Bytes) or other.place is None:
            return self
        return self.moved(self.place.joined(other.place))

    def renewed(self) -> Value:
        return self if self.place is None else self.moved(self.place._replace(align=1))

    def moved(self, place: Memory) -> Bytes:
        """As many bytes of this kind at another place."""
        return Bytes(self.size, place)

    def memory_of(self, parts: Sequence[Op]) -> Memory:
        assert self.place is not None
        return self.place._replace(base=parts[0])

    def memory(self, cx: Context) -> Memory:
        """Where they lie."""
        assert self.place is not None
        return self.place

    def address(self, cx: Context) -> Op:
        return self.memory(cx).address(cx)

    def length(self, cx: Context) -> int:
        return self.size

    def piece(self, cx: Context, place: Memory, at: int, size: int) -> Op:
        """`size` of the bytes as a number; `place` is where `memory` says that they lie."""
        return cx.build.load(place.base, place.offset + at, size)

    def item(self, cx: Context, key: Any) -> Any:
        if isinstance(key, slice):
            start, stop = span(cx, key, self.size, self)
            return Bytes(stop - start, self.memory(cx).part(start, f"[{start}:{stop}]"))
        return Scalar(read(cx, element(cx, self.memory(cx), key, self.size, 1, self), 1), u8)

    def set_item(self, cx: Context, key: Any, value: Any) -> None:
        if isinstance(key, slice):
            part = self.item(cx, key)
            return copy_bytes(cx, part.memory(cx), part.size, value, "this slice")
        place = element(cx, self.memory(cx), key, self.size, 1, self)
        write(cx, place, 1, integer(cx, value, u8, "a byte"))
        place.wrote(cx)
        return None

    def branch_equal(self, cx: Context, other: Any, same: Block, different: Block) -> bool:
        data = _encoded(other)
        if data is not None:
            self.branch_start(cx, self.whole(cx, data), same, different)
        elif isinstance(other, ConstantText):
            self.branch_start(cx, self.whole(cx, other.text), same, different)
        elif isinstance(other, Bytes):
            self._branch_bytes(cx, other, same, different)
        else:
            return False
        return True

    def whole(self, cx: Context, data: bytes) -> bytes:
        """With which bytes this begins when it is equal to `data`."""
        if len(data) != self.size:
            raise cx.error(f"{self.describe()} can't be equal to {_shown(data)}, which has {len(data)}")
        return data

    def branch_start(self, cx: Context, data: bytes, same: Block, different: Block) -> None:
        """Compare the first bytes with what is known at build time."""
        place = self.memory(cx)
        pairs = [
            (self.piece(cx, place, at, step), int.from_bytes(data[at : at + step], "little"), step)
            for at, step in chunks(len(data), place)
        ]
        _branch_pairs(cx, [(a, cx.build.const(b), size) for a, b, size in pairs], same, different)

    def _branch_bytes(self, cx: Context, other: Bytes, same: Block, different: Block) -> None:
        texts = isinstance(self, Text) and isinstance(other, Text)
        if (self.size != other.size and not texts) or isinstance(self, Text) != isinstance(other, Text):
            raise cx.error(f"{self.describe()} can't be compared with {other.describe()}")
        mine, theirs = self.memory(cx), other.memory(cx)
        if isinstance(self, Text) and (mine.event or theirs.event):
            raise cx.error(
                "a text in an event may be followed by what an earlier event left there: compare the text"
                " that it was set to"
            )
        pairs = [
            (self.piece(cx, mine, at, step), other.piece(cx, theirs, at, step), step)
            for at, step in chunks(min(self.size, other.size), mine, theirs)
        ]
        if self.size != other.size:  # the longer one ends where the shorter one has to
            longer, place = (self, mine) if self.size > other.size else (other, theirs)
            end = longer.piece(cx, place, min(self.size, other.size), 1)
            pairs.append((end, cx.build.const(0), 1))
        _branch_pairs(cx, pairs, same, different)

    @method
    def startswith(self, cx: Context, prefix: Any) -> Any:
        """Whether it begins with a text that is known at build time."""
        data = prefix.text if isinstance(prefix, ConstantText) else _encoded(prefix)
        if data is None:
            raise cx.error(f"startswith takes a text that is known at build time, not {describe(prefix)}")
        if len(data) > self.size:
            raise cx.error(f"{self.describe()} can't start with {_shown(data)}, which has {len(data)}")
        return flag(cx, lambda true, false: self.branch_start(cx, data, true, false)) if data else True


def _branch_pairs(cx: Context, pairs: list[tuple[Op, Op, int]], same: Block, different: Block) -> None:
    for a, b, size in pairs:
        after = cx.build.new_block("same")
        cx.build.branch("eq", a, b, after, different, size)
        if not after.preds:
            return
        cx.build.enter(after)
    cx.build.jump(same)


class Text(Bytes):
    """A text in `size` bytes, which ends at the first NUL; all bytes after that are 0, but in an event.

    `fill` writes it to an address (a helper's work), again wherever it is wanted; `at` is where it lies.
    """

    def __init__(
        self,
        size: int,
        *,
        at: Op | None = None,
        fill: Callable[[Context, Op], None] | None = None,
        place: Memory | None = None,
    ) -> None:
        self.size = size
        self.fill = fill
        self.place = Memory(at) if at is not None else place
        self.parts = (self.place.base,) if self.place is not None else ()

    def describe(self) -> str:
        return f"a text of {self.size} bytes"

    def moved(self, place: Memory) -> Bytes:
        return type(self)(self.size, place=place)

    def kept(self, cx: Context) -> Value:
        kind = TextPlace if self.place is None else type(self)
        return kind(self.size, place=self.memory(cx).settled(cx))

    def memory(self, cx: Context) -> Memory:
        if self.place is not None:
            return self.place
        place = stack(cx, self.size, "text")
        self.fill_at(cx, place)
        return place

    def fill_at(self, cx: Context, place: Memory) -> None:
        """Have it written. What a helper leaves after the text is not always zero (6.1: comm is not padded);
        in an event nobody looks there."""
        if place.event is None:
            zero(cx, place, self.size)
        if self.fill is not None:
            self.fill(cx, place.address(cx))

    def length(self, cx: Context) -> int:
        raise cx.error(f"{self.describe()} ends at its first NUL: its length is not known at build time")

    def truth(self, cx: Context) -> Condition | bool:
        return Condition("ne", self.piece(cx, self.memory(cx), 0, 1), cx.build.const(0), 1)

    def set_item(self, cx: Context, key: Any, value: Any) -> None:
        """`text[:] = other` sets it as a whole, to any text that fits."""
        if key == slice(None):
            return copy_text(cx, self.memory(cx), self.size, value, self.describe())
        return super().set_item(cx, key, value)

    def whole(self, cx: Context, data: bytes) -> bytes:
        return _fitting(cx, data, self.size, self.describe()) + b"\0"


class Unsized(Value):
    """A text that lies elsewhere: it takes as much of the place that it's put in as there is of it."""

    def read_into(self, cx: Context, into: Memory, size: int) -> Op:
        """Put it there; how many bytes it took, its NUL among them."""
        raise NotImplementedError


class TextPlace(Text):
    """A text in memory that can be written."""

    def filled(self, cx: Context, length: Op) -> None:
        """A helper has written `length` bytes here, the NUL among them."""
        self.memory(cx).wrote(cx, length)


class ConstantText(Text):
    """Text that is known at build time: true when it isn't empty."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(size)
        self.text = data
        self.data = data.ljust(size, b"\0")

    def describe(self) -> str:
        return f"the text {_shown(self.text)}"

    def kept(self, cx: Context) -> Value:
        return self

    def same_kind(self, other: Value) -> bool:
        return isinstance(other, ConstantText) and self.data == other.data

    def piece(self, cx: Context, place: Memory, at: int, size: int) -> Op:
        return cx.build.const(int.from_bytes(self.data[at : at + size], "little"))

    def memory(self, cx: Context) -> Memory:
        place = stack(cx, self.size, "text")
        for at, step in chunks(self.size, place):
            cx.build.store(place.base, at, step, self.piece(cx, place, at, step))
        return place

    def truth(self, cx: Context) -> bool:
        return bool(self.text)

    def branch_equal(self, cx: Context, other: Any, same: Block, different: Block) -> bool:
        data = _encoded(other)
        if data is not None:
            cx.build.jump(same if data == self.text else different)
        elif isinstance(other, ConstantText):
            cx.build.jump(same if other.text == self.text else different)
        else:
            return isinstance(other, Bytes) and other.branch_equal(cx, self, same, different)
        return True


def _fitting(cx: Context, data: bytes, size: int, what: str) -> bytes:
    if len(data) >= size:
        raise cx.error(f"{what} holds at most {size - 1} bytes and its NUL; {_shown(data)} has {len(data)}")
    return data


def copy_text(cx: Context, into: Memory, size: int, value: Any, what: str) -> None:
    """Write a text, or an array of the kernel's, to `size` bytes."""
    if isinstance(value, Unsized):
        return into.wrote(cx, value.read_into(cx, into, size))
    data = _encoded(value)
    if data is not None:
        value = ConstantText(_fitting(cx, data, size, what), size)
    have = value.size if isinstance(value, Text) else 0
    if isinstance(value, KernelMemory) and value.type.resolve().kind == "array":
        have = value.type.resolve().size
    if not have:
        raise cx.error(f"{what} is a text of {size} bytes, and can't be set to {describe(value)}")
    if have > size:
        raise cx.error(f"{what} holds {size} bytes, and {value.describe()} has {have}")
    if isinstance(value, KernelMemory):
        value.read_into(cx, into.address(cx), have)
    elif value.place is None and value.fill is not None:
        value.fill_at(cx, into)
    else:
        _store(cx, into, value, have)
    if have < size:
        zero(cx, into.part(have, "[:]"), size - have)
    return into.wrote(cx)


def copy_bytes(cx: Context, into: Memory, size: int, value: Any, what: str) -> None:
    """Write bytes to `size` bytes."""
    data = _encoded(value)
    if data is not None:
        value = ConstantText(data, len(data))
    if isinstance(value, KernelMemory) and value.type.size == size:
        value.read_into(cx, into.address(cx), size)
        return into.wrote(cx)
    if not isinstance(value, Bytes):
        raise cx.error(f"{what} has {size} bytes, and can't be set to {describe(value)}")
    if value.size != size:
        raise cx.error(f"{what} has {size} bytes, and what it is set to has {value.size}")
    _store(cx, into, value, size)
    return into.wrote(cx)


def _store(cx: Context, into: Memory, value: Bytes, size: int) -> None:
    constant = isinstance(value, ConstantText)
    source = into if constant else value.memory(cx)
    for at, step in chunks(size, into, source):
        cx.build.store(into.base, into.offset + at, step, value.piece(cx, source, at, step))
