"""The program's own memory: stack slots, values of maps, events; read, written, zeroed and copied.

Each base (a stack slot, the value of a map, the context) is 8-byte aligned; the verifier refuses unaligned
accesses to the stack on every machine, so all is done in the widest aligned pieces.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from pybpf.codegen.ir import Local, Op, signed
from pybpf.spec import Array, Bits, CString, Int, Layout, Struct, Union

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = [
    "EventState",
    "Memory",
    "PathState",
    "chunks",
    "copy",
    "load_int",
    "read",
    "stack",
    "store_int",
    "write",
    "zero",
]


class PathState:
    """Something of which each path knows what was done to it (`cx.assigned`).

    `absent` is what holds on a path where it isn't there.
    """

    absent: frozenset[str] = frozenset()

    def check_end(self, cx: Context, known: frozenset[str]) -> None:
        """Raise LoweringError when the program can't end with what is `known`."""

    def abandon(self, cx: Context) -> None:
        """Make the program end here all the same."""


class EventState(PathState):
    """An event that is being put together: which members are set is known on each path (`cx.assigned`).

    When its last member is a text, `tail` is how many bytes of that are in use, so that no more are sent.
    """

    def __init__(self, cx: Context, layout: Struct) -> None:
        self.layout = layout
        self.last = layout.fields[-1]
        self.tail: Local | None = None
        cx.assigned[self] = frozenset()
        if isinstance(self.last.layout, CString):
            self.tail = Local(f"{layout.name}.{self.last.name}.length")
            cx.build.set(self.tail, cx.build.const(self.last.layout.size))

    def assign(self, cx: Context, path: str, length: Op | None = None) -> None:
        """A member was set; of a text, `length` bytes with its NUL, or all of them."""
        if self.tail is not None and path == self.last.name:
            cx.build.set(self.tail, length or cx.build.const(self.last.layout.size))
        cx.assigned[self] = cx.assigned.get(self, frozenset()) | {path}

    def missing(self, cx: Context) -> list[str]:
        """The members that are not set on every path to here."""
        known = cx.assigned.get(self, frozenset())
        return [leaf.name for leaf in self.layout.leaves() if not _is_set(known, leaf.name, leaf.layout)]


def _is_set(known: frozenset[str], path: str, layout: Layout) -> bool:
    """Whether a member was set: itself, what it is a part of, or all its parts."""
    prefixes = [path[:at] for at, letter in enumerate(path) if letter in ".["]
    return any(each in known for each in [path, *prefixes]) or _parts_set(known, path, layout)


def _parts_set(known: frozenset[str], path: str, layout: Layout) -> bool:
    if path in known:
        return True
    if isinstance(layout, Union):
        whole = (field for field in layout.fields if field.layout.size == layout.size)
        return any(_parts_set(known, f"{path}.{field.name}", field.layout) for field in whole)
    if isinstance(layout, Struct):
        return all(_parts_set(known, f"{path}.{field.name}", field.layout) for field in layout.fields)
    if isinstance(layout, Array):
        return all(_parts_set(known, f"{path}[{index}]", layout.element) for index in range(layout.count))
    return False


class Memory(NamedTuple):
    """A place: `base` + `offset`, where `base` is a multiple of `align`.

    `event` is the event that it's a part of, if any, and `path` the name of that part. `on_stack`: in the
    stack frame.
    """

    base: Op
    offset: int = 0
    align: int = 8
    event: EventState | None = None
    path: str = ""
    on_stack: bool = False

    def part(self, offset: int, name: str) -> Memory:
        """The member of that name; or `[3]`, an element."""
        dot = "." if self.path and name[0] != "[" else ""
        return self._replace(offset=self.offset + offset, path=f"{self.path}{dot}{name}")

    def address(self, cx: Context) -> Op:
        return cx.build.address(self.base, self.offset)

    def settled(self, cx: Context) -> Memory:
        """The same by its own address: so a variable can be this place on one path, and that on another."""
        if self.event is not None:
            return self
        align = min(self.align, self.offset & -self.offset) if self.offset else self.align
        return Memory(self.address(cx), 0, align, on_stack=self.on_stack)

    def alike(self, other: Memory | None) -> bool:
        """Whether only their bases differ, and how those are aligned."""
        return other is not None and other._replace(base=self.base, align=self.align) == self

    def joined(self, other: Memory) -> Memory:
        """Either of two that are alike."""
        return self._replace(align=min(self.align, other.align))

    def wrote(self, cx: Context, length: Op | None = None) -> None:
        """It was set as a whole; of a text, `length` bytes."""
        if self.event is not None:
            self.event.assign(cx, self.path, length)


def stack(cx: Context, size: int, name: str) -> Memory:
    """New memory in the stack frame, not initialised."""
    return Memory(cx.build.slot(size, name), on_stack=True)


def chunks(size: int, *places: Memory) -> Iterator[tuple[int, int]]:
    """`(offset, size)` of the widest pieces that are aligned in all of `places`."""
    at = 0
    while at < size:
        step = min(place.align for place in places)
        while at + step > size or any((place.offset + at) % step for place in places):
            step //= 2
        yield at, step
        at += step


def zero(cx: Context, place: Memory, size: int) -> None:
    for at, step in chunks(size, place):
        cx.build.store(place.base, place.offset + at, step, cx.build.const(0))


def copy(cx: Context, into: Memory, source: Memory, size: int) -> None:
    for at, step in chunks(size, into, source):
        piece = cx.build.load(source.base, source.offset + at, step)
        cx.build.store(into.base, into.offset + at, step, piece)


def read(cx: Context, place: Memory, size: int, sign: bool = False) -> Op:
    """A number of 1, 2, 4 or 8 bytes; put together from pieces where it isn't aligned."""
    pieces = list(chunks(size, place))
    if len(pieces) == 1:
        return cx.build.load(place.base, place.offset, size, sign)
    result = cx.build.const(0)
    for at, step in pieces:
        piece = cx.build.load(place.base, place.offset + at, step)
        result = cx.build.alu("or", cx.build.alu("lsh", piece, cx.build.const(at * 8)), result)
    return cx.build.extend(result, size, sign)


def write(cx: Context, place: Memory, size: int, value: Op) -> None:
    """Set a number of 1, 2, 4 or 8 bytes."""
    pieces = list(chunks(size, place))
    if len(pieces) == 1:
        return cx.build.store(place.base, place.offset, size, value)
    for at, step in pieces:
        piece = cx.build.alu("rsh", value, cx.build.const(at * 8))
        if piece.kind == "const":
            piece = cx.build.const(signed(piece.attr, step))
        cx.build.store(place.base, place.offset + at, step, piece)
    return None


def load_int(cx: Context, place: Memory, layout: Int) -> Op:
    """A number, extended to 64 bits: of a bit field, the whole unit is read, shifted to the top, and down."""
    if not isinstance(layout, Bits):
        return read(cx, place, layout.size, layout.signed)
    unit = read(cx, place, layout.size)
    top = cx.build.alu("lsh", unit, cx.build.const(64 - layout.shift - layout.width))
    return cx.build.alu("arsh" if layout.signed else "rsh", top, cx.build.const(64 - layout.width))


def store_int(cx: Context, place: Memory, layout: Int, value: Op) -> None:
    """Set a number; of a bit field, the other bits of the unit stay as they are."""
    if isinstance(layout, Bits):
        mask = (1 << layout.width) - 1
        low = cx.build.alu("and", value, cx.build.const(mask))
        field = cx.build.alu("lsh", low, cx.build.const(layout.shift))
        others = cx.build.const(~(mask << layout.shift) & ((1 << layout.size * 8) - 1))
        value = cx.build.alu("or", cx.build.alu("and", read(cx, place, layout.size), others), field)
    write(cx, place, layout.size, value)
