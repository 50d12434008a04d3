"""Histograms and counters: what a program counts, kept in the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybpf.codegen.ir import Local, Op
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
        """Halve the number's width again and again: what is left, and how far it was shifted."""
        left, shifted = Local("left"), Local("shifted")
        cx.build.set(left, self.number(cx, value))
        cx.build.set(shifted, cx.build.const(0))
        for shift in (32, 16, 8, 4, 2, 1):
            high = cx.build.alu("rsh", cx.build.get(left), cx.build.const(shift))
            upper, after = cx.build.new_block("upper"), cx.build.new_block("half")
            cx.build.branch("ne", high, cx.build.const(0), upper, after)
            cx.build.enter(upper)
            cx.build.set(left, high)
            cx.build.set(shifted, cx.build.alu("add", cx.build.get(shifted), cx.build.const(shift)))
            cx.build.jump(after)
            cx.build.enter(after)
        return Scalar(cx.build.alu("add", cx.build.get(shifted), cx.build.get(left)), u32, 64)


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
