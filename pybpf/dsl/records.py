"""Records in a probe that live in registers: those of numbers and pointers only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pybpf.codegen.ir import Block, Local, Op
from pybpf.dsl.kernel import pointer
from pybpf.dsl.memory import Memory, read, write, zero
from pybpf.dsl.text import TextPlace
from pybpf.dsl.values import Scalar, Value, describe, integer, named
from pybpf.errors import near
from pybpf.spec import Bits, Field, Int, Pointer, Struct

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["AnyRecord", "RecordValue", "TextPlace", "number"]


def number(cx: Context, op: Op, layout: Int) -> Any:
    """What was read from a place of this layout."""
    if isinstance(layout, Bits):
        return Scalar(op, layout.unit, layout.maximum, layout.minimum)
    return pointer(cx, op, layout.declaration) if isinstance(layout, Pointer) else Scalar(op, layout)


class AnyRecord(Value):
    """Base of records, wherever they live."""

    layout: Struct

    def describe(self) -> str:
        return named(self.layout)

    def leaf(self, cx: Context, field: Field) -> Op:
        """The number in one of `layout.leaves()`."""
        raise NotImplementedError

    def member(self, cx: Context, name: str) -> Field:
        """The member of that name, or an error with names like it."""
        field = self.layout.field(name)
        if field is None:
            known = [field.name for field in self.layout.fields]
            hint = near(name, known) or f"; it has {', '.join(known)}"
            raise cx.error(f"{self.layout.name} has no member {name!r}{hint}")
        return field

    def branch_equal(self, cx: Context, other: Any, same: Block, different: Block) -> bool:
        """Compare member by member; padding doesn't count."""
        if not isinstance(other, AnyRecord):
            return False
        if other.layout is not self.layout:
            raise cx.error(f"{self.describe()} can't be compared with {other.describe()}")
        for field in self.layout.leaves():
            after = cx.build.new_block("same")
            self.branch_leaf(cx, other, field, after, different)
            if not after.preds:
                return True
            cx.build.enter(after)
        cx.build.jump(same)
        return True

    def branch_leaf(self, cx: Context, other: AnyRecord, field: Field, same: Block, different: Block) -> None:
        """Compare one leaf."""
        assert isinstance(field.layout, Int)
        a, b = self.leaf(cx, field), other.leaf(cx, field)
        cx.build.branch("eq", a, b, same, different, field.layout.size)


class RecordValue(AnyRecord):
    """A record whose members are in registers; it gets an address when one is needed.

    `members` are its leaves by their dotted names; `prefix` is where this record begins among them.
    """

    def __init__(self, layout: Struct, members: dict[str, Local], prefix: str = "") -> None:
        self.layout = layout
        self.members = members
        self.prefix = prefix

    @staticmethod
    def can_hold(layout: Struct) -> bool:
        """Whether all leaves are numbers."""
        leaves = [leaf.layout for leaf in layout.leaves()]
        return all(isinstance(leaf, Int) and not isinstance(leaf, Bits) for leaf in leaves)

    @classmethod
    def new(cls, layout: Struct) -> RecordValue:
        """One whose members are yet to be set."""
        return cls(layout, {leaf.name: Local(f"{layout.name}.{leaf.name}") for leaf in layout.leaves()})

    def same_kind(self, other: Value) -> bool:
        return isinstance(other, RecordValue) and other.members is self.members

    def leaf(self, cx: Context, field: Field) -> Op:
        return cx.build.get(self.members[self.prefix + field.name])

    def truth(self, cx: Context) -> bool:
        return True

    def attribute(self, cx: Context, name: str) -> Any:
        field = self.member(cx, name)
        if isinstance(field.layout, Struct):
            return RecordValue(field.layout, self.members, f"{self.prefix}{name}.")
        assert isinstance(field.layout, Int)
        return number(cx, self.leaf(cx, field), field.layout)

    def set_attribute(self, cx: Context, name: str, value: Any) -> None:
        field = self.member(cx, name)
        what = f"{self.layout.name}.{name}"
        for path, op in _leaves_of(cx, field, value, what):
            cx.build.set(self.members[self.prefix + path], op)

    def load(self, cx: Context, source: Memory) -> None:
        """Read it from memory, where something else has changed it."""
        for leaf in self.layout.leaves():
            assert isinstance(leaf.layout, Int)
            op = read(cx, source.part(leaf.offset, leaf.name), leaf.layout.size, leaf.layout.signed)
            cx.build.set(self.members[self.prefix + leaf.name], op)

    def store(self, cx: Context, into: Memory) -> None:
        """Write it to memory, padding too: the verifier wants each byte of a key or value set."""
        for at, size in _padding(self.layout):
            zero(cx, into.part(at, "padding"), size)
        for leaf in self.layout.leaves():
            write(cx, into.part(leaf.offset, leaf.name), leaf.layout.size, self.leaf(cx, leaf))


def _padding(layout: Struct) -> Iterator[tuple[int, int]]:
    """`(offset, size)` of what lies between the leaves."""
    end = 0
    for leaf in layout.leaves():
        if leaf.offset > end:
            yield end, leaf.offset - end
        end = leaf.offset + leaf.layout.size
    if layout.size > end:
        yield end, layout.size - end


def _leaves_of(cx: Context, field: Field, value: Any, what: str) -> Iterator[tuple[str, Op]]:
    """What the leaves of a member become when it is set to `value`."""
    if isinstance(field.layout, Int):
        yield field.name, integer(cx, value, field.layout, what)
    elif isinstance(field.layout, Struct):
        if value == 0 and isinstance(value, int):
            yield from ((f"{field.name}.{leaf.name}", cx.build.const(0)) for leaf in field.layout.leaves())
        elif isinstance(value, AnyRecord) and value.layout is field.layout:
            found = [(f"{field.name}.{leaf.name}", value.leaf(cx, leaf)) for leaf in field.layout.leaves()]
            yield from found
        else:
            raise cx.error(f"{what} is {named(field.layout)}, and can't be set to {describe(value)}")
