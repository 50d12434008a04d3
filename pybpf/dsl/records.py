"""Records in a probe: as values that are made and looked up, and as places in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pybpf.codegen.ir import Local, Op
from pybpf.dsl.kernel import pointer
from pybpf.dsl.text import Text, copy_text
from pybpf.dsl.values import Condition, Scalar, Value, integer
from pybpf.errors import near
from pybpf.spec import CString, Field, Int, Layout, Pointer, Struct

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["EventState", "RecordPlace", "RecordValue", "TextPlace", "load_layout", "store_layout"]


class RecordValue(Value):
    """A record of numbers and pointers whose members are in registers; it gets an address when one is needed.

    `presence`, if given, is the pointer that it was read through: null when there was no such element.
    """

    def __init__(
        self, layout: Struct, members: dict[str, Local], presence: Op | None = None, origin: str = ""
    ) -> None:
        self.layout = layout
        self.members = members
        self.presence = presence
        self.nullable = presence is not None
        self.origin = origin
        self.parts = (presence,) if presence is not None else ()

    @classmethod
    def make(cls, cx: Context, layout: Struct, values: dict[str, Any]) -> RecordValue:
        """`Key(tid=1, op=2)`: members that are not given are 0."""
        for name in values:
            if layout.field(name) is None:
                known = [field.name for field in layout.fields]
                raise cx.error(f"{layout.name} has no member {name!r}{near(name, known)}")
        made = cls(layout, {})
        for field in layout.fields:
            made.members[field.name] = Local(f"{layout.name}.{field.name}")
            made._assign(cx, field, values.get(field.name, 0))
        return made

    def describe(self) -> str:
        return f"a {self.layout.name}" + (" or None" if self.nullable else "")

    def same_kind(self, other: Value) -> bool:
        return isinstance(other, RecordValue) and other.members is self.members

    def rebuild(self, parts: Sequence[Op]) -> RecordValue:
        return RecordValue(self.layout, self.members, parts[0] if parts else None, self.origin)

    def checked(self) -> RecordValue:
        return RecordValue(self.layout, self.members)

    def truth(self, cx: Context) -> Condition | bool:
        if self.presence is None:
            return True
        return Condition("ne", self.presence, cx.build.const(0))

    def attribute(self, cx: Context, name: str) -> Any:
        field = _member(cx, self, self.layout, name)
        return _typed(cx, cx.build.get(self.members[name]), field.layout)

    def set_attribute(self, cx: Context, name: str, value: Any) -> None:
        self._assign(cx, _member(cx, self, self.layout, name), value)

    def _assign(self, cx: Context, field: Field, value: Any) -> None:
        if not isinstance(field.layout, Int):
            raise cx.error(f"{self.layout.name}.{field.name}: only numbers and pointers can be members here")
        op = integer(cx, value, field.layout, f"{self.layout.name}.{field.name}")
        cx.build.set(self.members[field.name], op)

    def store(self, cx: Context, base: Op, offset: int) -> None:
        """Write it to memory, padding too: the verifier wants each byte of a key or value set."""
        for at, size in self.layout.gaps():
            _zero(cx, base, offset + at, size)
        for name, layout, at in self.layout.fields:
            cx.build.store(base, offset + at, layout.size, cx.build.get(self.members[name]))


class EventState:
    """An event that is being put together.

    When its last member is a text, `tail` is how many bytes of that are in use, so that no more are sent.
    """

    def __init__(self, cx: Context, layout: Struct) -> None:
        last = layout.fields[-1]
        self.last = last
        self.tail = Local(f"{layout.name}.{last.name}.length") if isinstance(last.layout, CString) else None
        self.assign(cx, set())

    def assign(self, cx: Context, paths: set[str], length: Op | None = None) -> None:
        """Members were set; of a text, `length` bytes with its NUL, or all of them."""
        if self.tail is not None and (not paths or self.last.name in paths):
            cx.build.set(self.tail, length or cx.build.const(self.last.layout.size))
        cx.assigned[self] = cx.assigned.get(self, frozenset()) | paths


class RecordPlace(Value):
    """A record in memory: `base` + `offset`. `event` is the event that it's a part of, if any."""

    def __init__(
        self,
        base: Op,
        layout: Struct,
        offset: int = 0,
        nullable: bool = False,
        event: EventState | None = None,
        prefix: str = "",
    ) -> None:
        self.base = base
        self.layout = layout
        self.offset = offset
        self.nullable = nullable
        self.event = event
        self.prefix = prefix
        self.parts = (base,)

    def address(self, cx: Context) -> Op:
        return cx.build.address(self.base, self.offset)

    def describe(self) -> str:
        return f"a {self.layout.name}" + (" or None" if self.nullable else "")

    def rebuild(self, parts: Sequence[Op]) -> RecordPlace:
        return RecordPlace(parts[0], self.layout, self.offset, self.nullable, self.event, self.prefix)

    def checked(self) -> RecordPlace:
        return RecordPlace(self.base, self.layout, self.offset, False, self.event, self.prefix)

    def truth(self, cx: Context) -> Condition | bool:
        return Condition("ne", self.base, cx.build.const(0)) if self.nullable else True

    def attribute(self, cx: Context, name: str) -> Any:
        field = _member(cx, self, self.layout, name)
        offset = self.offset + field.offset
        path = f"{self.prefix}{name}"
        if isinstance(field.layout, Struct):
            return RecordPlace(self.base, field.layout, offset, False, self.event, f"{path}.")
        if isinstance(field.layout, CString):
            return TextPlace(self.base, offset, field.layout.size, self.event, path)
        return load_layout(cx, self.base, offset, field.layout)

    def set_attribute(self, cx: Context, name: str, value: Any) -> None:
        field = _member(cx, self, self.layout, name)
        store_layout(
            cx, self.base, self.offset + field.offset, field.layout, value, f"{self.layout.name}.{name}"
        )
        paths = {f"{self.prefix}{name}"}
        if isinstance(field.layout, Struct):
            paths = {leaf.name for leaf in field.layout.leaves(f"{self.prefix}{name}.")}
        if self.event is not None:
            self.event.assign(cx, paths)

    def store(self, cx: Context, base: Op, offset: int) -> None:
        for at in range(0, self.layout.size, 8):
            size = min(8, self.layout.size - at)
            while size & (size - 1):
                size &= size - 1
            cx.build.store(base, offset + at, size, cx.build.load(self.base, self.offset + at, size))


class TextPlace(Text):
    """A text member of a record in memory."""

    def __init__(self, base: Op, offset: int, size: int, event: EventState | None, path: str) -> None:
        super().__init__(size)
        self.base = base
        self.offset = offset
        self.event = event
        self.path = path

    def address(self, cx: Context) -> Op:
        return cx.build.address(self.base, self.offset)

    def filled(self, cx: Context, length: Op) -> None:
        """A helper has written `length` bytes here, the NUL among them."""
        if self.event is not None:
            self.event.assign(cx, {self.path}, length)


def load_layout(cx: Context, base: Op, offset: int, layout: Layout) -> Any:
    """A number or pointer from the program's own memory."""
    if not isinstance(layout, Int):
        raise cx.error(f"a {layout.name} can't be read as a whole")
    op = cx.build.load(base, offset, layout.size, layout.signed)
    return _typed(cx, op, layout)


def store_layout(cx: Context, base: Op, offset: int, layout: Layout, value: Any, what: str) -> None:
    """Write a value to the program's own memory, as its layout says."""
    if isinstance(layout, Int):
        cx.build.store(base, offset, layout.size, integer(cx, value, layout, what))
    elif isinstance(layout, CString):
        copy_text(cx, cx.build.address(base, offset), layout.size, value, what)
    elif isinstance(value, (RecordValue, RecordPlace)) and value.layout is layout:
        value.store(cx, base, offset)
    else:
        found = value.describe() if isinstance(value, Value) else repr(value)
        raise cx.error(f"{what} is a {layout.name}, and can't be set to {found}")


def _typed(cx: Context, op: Op, layout: Layout) -> Any:
    if isinstance(layout, Pointer):
        return pointer(cx, op, layout.declaration)
    assert isinstance(layout, Int)
    return Scalar(op, layout)


def _member(cx: Context, value: RecordValue | RecordPlace, layout: Struct, name: str) -> Field:
    if value.nullable:
        raise cx.error(f"this may be None: check it before .{name} is used, as in `if not ...: return`")
    field = layout.field(name)
    if field is None:
        known = [field.name for field in layout.fields]
        raise cx.error(f"{layout.name} has no member {name!r}{near(name, known)}")
    return field


def _zero(cx: Context, base: Op, offset: int, size: int) -> None:
    while size:
        step = next(step for step in (8, 4, 2, 1) if step <= size and offset % step == 0)
        cx.build.store(base, offset, step, cx.build.const(0))
        offset, size = offset + step, size - step
