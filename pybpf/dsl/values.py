"""Values that only the kernel will know: what they are, and what can be done with them.

Anything in a probe that is not a `Value` is known at build time. A value made of `parts` (operations of the
IR) can be kept in a variable; `rebuild` makes the same kind of value from other parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from pybpf.codegen.ir import Block, Op
from pybpf.dsl.types import boolean, i64, u64
from pybpf.spec import Bits, Int, Layout

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = [
    "Condition",
    "Range",
    "Scalar",
    "Unrolled",
    "Value",
    "convert",
    "describe",
    "integer",
    "named",
    "static",
    "unroll",
]


class Condition(NamedTuple):
    """A comparison that a branch can be made of: `a condition b`, on operands of `size` bytes."""

    condition: str
    a: Op
    b: Op
    size: int = 8


class Value:
    """Base of all kernel values. The methods that a kind of value doesn't define say that it can't do it."""

    parts: tuple[Op, ...] = ()
    nullable = False

    def __repr__(self) -> str:
        return self.describe()

    def describe(self) -> str:
        """What it is, in an error: `a u32`, `a struct file *`."""
        raise NotImplementedError

    def cure(self) -> str:
        """What makes a number of it, to end an error with."""
        return ""

    def same_kind(self, other: Value) -> bool:
        """Whether a variable may hold either, depending on the path."""
        return type(self) is type(other) and self.describe() == other.describe()

    def rebuild(self, parts: Sequence[Op]) -> Value:
        return self

    def joined(self, other: Value) -> Value:
        """What this and another of the same kind both are: without what is known of one only."""
        return self

    def renewed(self) -> Value:
        """Anything of this kind: without what is known of this one."""
        return self

    def checked(self) -> Value:
        """The same, once it is known not to be null."""
        return self

    def kept(self, cx: Context) -> Value:
        """The same, as a variable keeps it: what is made anew at each use is made here."""
        return self

    def truth(self, cx: Context) -> Condition | bool:
        raise cx.error(f"{self.describe()} is neither true nor false")

    def attribute(self, cx: Context, name: str) -> Any:
        raise cx.error(f"{self.describe()} has no attribute {name!r}")

    def set_attribute(self, cx: Context, name: str, value: Any) -> None:
        raise cx.error(f"{self.describe()} has no attribute {name!r} that can be set")

    def item(self, cx: Context, key: Any) -> Any:
        raise cx.error(f"{self.describe()} can't be indexed")

    def set_item(self, cx: Context, key: Any, value: Any) -> None:
        raise cx.error(f"{self.describe()} can't be indexed")

    def contains(self, cx: Context, key: Any) -> Condition | bool:
        raise cx.error(f"`in` looks for a key in a map, and {self.describe()} has no keys")

    def length(self, cx: Context) -> int:
        raise cx.error(f"{self.describe()} has no length that is known at build time")

    def delete_item(self, cx: Context, key: Any) -> None:
        raise cx.error(f"nothing can be deleted from {self.describe()}")

    def call(self, cx: Context, args: Sequence[Any], keywords: dict[str, Any]) -> Any:
        raise cx.error(f"{self.describe()} can't be called")

    def branch_equal(self, cx: Context, other: Any, same: Block, different: Block) -> bool:
        """Compare as a whole, where that takes more than one comparison; False when it doesn't."""
        return False


class Scalar(Value):
    """An integer in a register, extended to 64 bits as its layout says, from `least` to `most`."""

    def __init__(self, op: Op, layout: Int, most: int | None = None, least: int | None = None) -> None:
        self.op = op
        self.layout = layout
        self.most = layout.maximum if most is None else most
        self.least = layout.minimum if least is None else least
        self.parts = (op,)

    def describe(self) -> str:
        return f"{'an' if self.layout.name[0] in 'aeio' else 'a'} {self.layout.name}"

    def rebuild(self, parts: Sequence[Op]) -> Scalar:
        return Scalar(parts[0], self.layout, self.most, self.least)

    def joined(self, other: Value) -> Scalar:
        assert isinstance(other, Scalar)
        return Scalar(self.op, self.layout, max(self.most, other.most), min(self.least, other.least))

    def renewed(self) -> Scalar:
        return Scalar(self.op, self.layout)

    def truth(self, cx: Context) -> Condition:
        return Condition("ne", self.op, cx.build.const(0), self.layout.size)


class Range:
    """What a counted loop goes over: `start` up to `stop`, or down to it when `step` is negative.

    The ends are numbers or Scalars; `layout` is the counter's.
    """

    def __init__(self, start: Any, stop: Any, step: int) -> None:
        self.start = start
        self.stop = stop
        self.step = step
        signed = [end.layout.signed if isinstance(end, Scalar) else end < 0 for end in (start, stop)]
        self.layout = i64 if step < 0 or any(signed) else u64

    def __repr__(self) -> str:
        return "a range of the kernel's"


class Unrolled:
    """`unroll(...)`: elements known at build time, each of which gets a loop's body of its own."""

    def __init__(self, elements: Iterable[Any]) -> None:
        self.elements = elements

    def __repr__(self) -> str:
        return "unroll(...)"


def describe(value: Any) -> str:
    """What a value is, in an error; one that is known at build time as Python writes it."""
    if isinstance(value, Value):
        return value.describe()
    if isinstance(value, (tuple, list)):
        text = ", ".join(map(describe, value))
        return f"({text})" if isinstance(value, tuple) else f"[{text}]"
    if isinstance(value, ModuleType):
        return f"the module {value.__name__}"
    return repr(value)


def integer(cx: Context, value: Any, layout: Int, what: str) -> Op:
    """`value` as an operation that fits `layout` without loss; `what` names the place it goes to."""
    if isinstance(value, bool):
        value = int(value)
    if isinstance(value, int):
        if not layout.minimum <= value <= layout.maximum:
            raise cx.error(f"{int(value)} does not fit {what}, {named(layout)}")
        return cx.build.const(int(value))
    if isinstance(value, Scalar):
        have = value.layout
        if layout.minimum <= value.least and value.most <= layout.maximum:
            return value.op
        raise cx.error(
            f"{what} is {named(layout)} and can't hold every {have.name}; write {layout.name}(...) to convert"
        )
    from pybpf.dsl.kernel import KernelPointer

    if isinstance(value, KernelPointer) and layout.size == 8 and not layout.signed:
        return value.op
    cure = value.cure() if isinstance(value, Value) else ""
    raise cx.error(f"{what} is {named(layout)}, and {describe(value)} is no number{cure}")


def convert(cx: Context, value: Any, layout: Int) -> Any:
    """`u32(value)` and its like: the low bits, extended anew; `Bits[i8, 4](value)` is an i8."""
    if isinstance(layout, Bits):
        return _bits(cx, value, layout)
    if layout is boolean and isinstance(value, Value):
        raise cx.error("a comparison makes a bool; write value != 0")
    if isinstance(value, int):
        bits = int(value) & ((1 << layout.size * 8) - 1)
        number = bits - (1 << layout.size * 8) if bits > layout.maximum else bits
        return Scalar(cx.build.const(number), layout, max(0, number))
    op = value.parts[0] if isinstance(value, Value) and len(value.parts) == 1 else None
    if op is None:
        raise cx.error(f"{layout.name}(...) takes a number, not {describe(value)}")
    if (
        isinstance(value, Scalar)
        and layout.minimum <= value.layout.minimum
        and (value.layout.maximum <= layout.maximum)
    ):
        return Scalar(op, layout, value.most)
    narrow = isinstance(value, Scalar) and not value.layout.signed and value.most <= layout.maximum
    most = value.most if isinstance(value, Scalar) and narrow else None
    return Scalar(cx.build.extend(op, layout.size, layout.signed), layout, most)


def _bits(cx: Context, value: Any, layout: Bits) -> Scalar:
    """The low bits of a number, as a bit field holds them."""
    if isinstance(value, int):
        value = Scalar(cx.build.const(int(value)), i64)
    if not isinstance(value, Scalar):
        raise cx.error(f"{layout.name}(...) takes a number, not {describe(value)}")
    if layout.signed:
        unused = cx.build.const(64 - layout.width)
        op = cx.build.alu("arsh", cx.build.alu("lsh", value.op, unused), unused)
    else:
        op = cx.build.alu("and", value.op, cx.build.const(layout.maximum))
    return Scalar(op, layout.unit, layout.maximum, layout.minimum)


def named(layout: Layout) -> str:
    """A layout with its article: `an i32`, `a Point`."""
    return f"{'an' if layout.name[0] in 'AEIOaeio' else 'a'} {layout.name}"


def unroll(elements: Iterable[Any]) -> Unrolled:
    """`for x in unroll(range(100))`: the body once for each element, which is known at build time."""
    return Unrolled(elements)


def static(value: Any) -> Any:
    """`value`, which must be known at build time: lowering says so when it isn't."""
    return value
