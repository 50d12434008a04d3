"""Histograms and counters: what a program counts, kept in the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybpf.codegen.ir import Op
from pybpf.dsl.branching import choose
from pybpf.dsl.index import element
from pybpf.dsl.maps.array import ArrayMap, PerCpuArrayMap
from pybpf.dsl.maps.hash import HashMap
from pybpf.dsl.maps.keyed import Keyed
from pybpf.dsl.maps.map import Map
from pybpf.dsl.method import Methods, method
from pybpf.dsl.places import make
from pybpf.dsl.types import layout_of, u32, u64
from pybpf.dsl.values import Condition, Scalar, describe, integer
from pybpf.errors import LoweringError
from pybpf.spec import Array, MapSpec, Struct

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["Counter", "LinearHist", "Log2Hist"]


class _Hist(Map):
    """Counts of observations by `slots` ranges; with a `key`, as many histograms as there are keys.

    Without a key it is an array of one element, which holds the counts of all slots. With one it is a hash
    table of (key, slot) to a count, of at most `max_entries` of these.
    """

    def __init__(self, name: str, slots: int, key: Any, max_entries: int) -> None:
        super().__init__(name)
        self.slots = slots
        self.row: Struct | None = None
        self.table: Keyed
        if key is None:
            self.table = ArrayMap(name, Array(u64, slots), 1)
        else:
            members = [("key", layout_of(key, {}, f"the key of {name}")), ("slot", u32)]
            self.row = Struct(f"{name}_row", members)
            self.table = HashMap(name, self.row, u64, max_entries)

    def specs(self, buffer: str) -> list[MapSpec]:
        return self.table.specs(buffer)

    def describe(self) -> str:
        return f"the histogram {self.name}"

    def slot(self, cx: Context, value: Any) -> Scalar:
        """The slot of an observation."""
        raise NotImplementedError

    def number(self, cx: Context, value: Any) -> Op:
        """What was observed."""
        if isinstance(value, Scalar) and value.layout.signed:
            raise cx.error(
                f"a histogram takes what is never negative, and this is {describe(value)}: convert it, as in"
                f" u{value.layout.size * 8}(x)"
            )
        return integer(cx, value, u64, "an observation")

    @method
    def observe(self, cx: Context, value: Any) -> None:
        """Count a value."""
        if self.row is not None:
            raise cx.error(f"{self.describe()} has a key: {self.name}[key].observe(...)")
        assert isinstance(self.table, ArrayMap)
        slot = self.slot(cx, value)
        place = element(cx, self.table.place(cx, 0), slot, self.slots, u64.size, self)
        cx.build.atomic("add", place.base, place.offset, u64.size, cx.build.const(1))

    def item(self, cx: Context, key: Any) -> _Row:
        if self.row is None:
            raise cx.error(f"{self.describe()} has no key: {self.name}.observe(...)")
        return _Row(self, key)


class _Row(Methods):
    """The histogram of one key."""

    def __init__(self, hist: _Hist, key: Any) -> None:
        self.hist = hist
        self.key = key

    def describe(self) -> str:
        return f"one of {self.hist.describe()}"

    @method
    def observe(self, cx: Context, value: Any) -> None:
        """Count a value."""
        hist = self.hist
        assert hist.row is not None
        row = make(cx, hist.row, (), {"key": self.key, "slot": hist.slot(cx, value)})
        hist.table.count(cx, row, cx.build.const(1))


class Log2Hist(_Hist):
    """Slot 0 counts zeros, slot n what is from 2^(n-1) up to 2^n: as `int.bit_length` has it."""

    def __init__(self, name: str, key: Any = None, max_entries: int = 10240) -> None:
        super().__init__(name, 65, key, max_entries)

    def slot(self, cx: Context, value: Any) -> Scalar:
        most = value if isinstance(value, int) else getattr(value, "most", u64.maximum)
        return Scalar(_bit_length(cx, self.number(cx, value), most), u32, most.bit_length())


def _bit_length(cx: Context, x: Op, most: int) -> Op:
    """How many bits a number takes, without a branch: it is halved again and again while it is too wide.

    The top bit of `2^shift - 1 - x` says whether it has more than `shift` bits; at first, that of minus its
    upper half.
    """
    build = cx.build
    length = build.const(0)
    for log in (5, 4, 3, 2, 1):
        shift = 1 << log
        if most >> shift:
            wide = build.alu("rsh", x, build.const(32)) if log == 5 else x
            rest = build.alu("sub", build.const(0 if log == 5 else (1 << shift) - 1), wide)
            by = build.alu("lsh", build.alu("rsh", rest, build.const(63)), build.const(log))
            x = build.alu("rsh", x, by)
            length = build.alu("or", by, length)
            most = (1 << shift) - 1
    # What is left is 0 to 3: of 3, one too much.
    three = build.alu("rsh", build.alu("mul", x, x), build.const(3))
    return build.alu("add", build.alu("sub", x, three), length)


class LinearHist(_Hist):
    """Slot n counts what is from n * `step` up to (n + 1) * `step`; slot `count` all that is larger."""

    def __init__(self, name: str, step: int, count: int, key: Any = None, max_entries: int = 10240) -> None:
        if step < 1 or count < 1:
            raise LoweringError(f"{name} has {count} slots of {step}: both must be 1 or more")
        super().__init__(name, count + 1, key, max_entries)
        self.step = step

    def slot(self, cx: Context, value: Any) -> Scalar:
        last = cx.build.const(self.slots - 1)
        found = cx.build.alu("div", self.number(cx, value), cx.build.const(self.step))
        beyond = Condition("gt", found, last)
        return Scalar(choose(cx, beyond, "beyond", lambda: last, lambda: found), u32, self.slots - 1)


class Counter(Map):
    """A number that only grows: `hits.add()`. Every CPU counts for itself, and a reader sums up."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.table = PerCpuArrayMap(name, u64, 1)

    def specs(self, buffer: str) -> list[MapSpec]:
        return self.table.specs(buffer)

    def describe(self) -> str:
        return f"the counter {self.name}"

    @method
    def add(self, cx: Context, count: Any = 1) -> None:
        """Count `count` more."""
        amount = self.table.amount(cx, count)
        self.table.add_to(cx, self.table.place(cx, 0), amount)
