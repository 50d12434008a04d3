"""Maps whose elements a program sets, counts in and takes out by their keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pybpf.codegen.ir import Local, Op
from pybpf.dsl.branching import choose
from pybpf.dsl.maps.callback import call_back
from pybpf.dsl.maps.lookup import Lookup
from pybpf.dsl.maybe import Maybe
from pybpf.dsl.memory import Memory, copy, stack, zero
from pybpf.dsl.method import method
from pybpf.dsl.places import load, place_of
from pybpf.dsl.records import RecordValue, number
from pybpf.dsl.values import Condition, Scalar, integer
from pybpf.spec import Int, Pointer, Struct
from pybpf.uapi import bpf

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["Keyed"]


class Keyed(Lookup):
    """A map that a program can change."""

    per_cpu = False

    def value_at(self, cx: Context, value: Any) -> Op:
        """The address of a value."""
        return place_of(cx, self.value, value, f"the value of {self.name}").address(cx)

    def set_item(self, cx: Context, key: Any, value: Any) -> None:
        cx.dropped.unless(cx, self.worked(cx, self._update(cx, key, value, bpf.BPF_ANY)), self.name)

    def _update(self, cx: Context, key: Any, value: Any, flags: int) -> Op:
        key_at, value_at = self.key_at(cx, key), self.value_at(cx, value)
        return cx.build.call("map_update_elem", self.op(cx), key_at, value_at, cx.build.const(flags))

    @method
    def update(self, cx: Context, key: Any, value: Any, flags: Any = bpf.BPF_ANY) -> Scalar:
        """Set an element; 0, or a negative error number: with BPF_NOEXIST -17 when there is one already,
        with BPF_EXIST -2 when there is none, -7 when the map is full."""
        if not isinstance(flags, int):
            raise cx.error("the flags of update must be known at build time, such as BPF_NOEXIST")
        return self.failure(cx, self._update(cx, key, value, flags))

    def delete_item(self, cx: Context, key: Any) -> None:
        cx.build.call("map_delete_elem", self.op(cx), self.key_at(cx, key))

    @method
    def pop(self, cx: Context, key: Any, default: Any = None) -> Any:
        """Look up, copy, delete: the copy is made first, since the element may be reused after.

        None, or of a map of numbers `default`, when there is no such element.
        """
        place = self.key_at(cx, key)
        address = self.lookup(cx, place)
        present, after = cx.build.new_block("present"), cx.build.new_block("popped")
        cx.build.branch("ne", address, cx.build.const(0), present, after)
        cx.build.enter(present)
        copied = self._copy(cx, address)
        cx.build.call("map_delete_elem", self.op(cx), place)
        cx.build.jump(after)
        cx.build.enter(after)
        found = copied()
        if default is None:
            return Maybe(found, address)
        other = self.default(cx, default, "pop")
        there = Condition("ne", address, cx.build.const(0))
        return Scalar(choose(cx, there, "popped", lambda: found.op, lambda: other), found.layout)

    def _copy(self, cx: Context, address: Op) -> Callable[[], Any]:
        """Copy the value at an address; returns a function that gives the copy."""
        source, layout = Memory(address), self.value
        if isinstance(layout, Int):
            local = Local(self.name)
            cx.build.set(local, self.number_at(cx, address))
            return lambda: number(cx, cx.build.get(local), layout)
        if isinstance(layout, Struct) and RecordValue.can_hold(layout):
            record = RecordValue.new(layout)
            record.load(cx, source)
            return lambda: record
        place = stack(cx, layout.size, self.name)
        copy(cx, place, source, layout.size)
        return lambda: load(cx, place, layout)

    @method
    def setdefault(self, cx: Context, key: Any, value: Any) -> Maybe:
        """The element; when there is none, `value` is put there first. None when the map is full."""
        return self.found(cx, self._ensure(cx, self.key_at(cx, key), lambda: self.value_at(cx, value)))

    def _ensure(self, cx: Context, key: Op, initial: Callable[[], Op]) -> Op:
        """The address of an element, made if need be, though another CPU may make it at the same time."""
        address = self.lookup(cx, key)

        def absent() -> Op:
            flags = cx.build.const(bpf.BPF_NOEXIST)
            cx.build.call("map_update_elem", self.op(cx), key, initial(), flags)
            return self.lookup(cx, key)

        return choose(cx, Condition("eq", address, cx.build.const(0)), "absent", absent, lambda: address)

    @method
    def for_each(self, cx: Context, body: Any, state: Any = None) -> Any:
        """Call `body(key, value, state)` for each element, until it returns 1 (Linux 5.13); gives the state.

        `body` is a @subprogram; a record among the values is the one in the map.
        """
        parts = {
            "key": (self.key, lambda inner: Memory(inner.build.arguments[1])),
            "value": (self.value, lambda inner: Memory(inner.build.arguments[2])),
        }
        with call_back(cx, self, body, state, parts, registers=4) as (function, at):
            cx.build.call("for_each_map_elem", self.op(cx), function, at, cx.build.const(0))
        return state

    @method
    def add(self, cx: Context, key: Any, count: Any = 1) -> None:
        """Add to the number at `key`, which is 0 when it wasn't there; no other CPU can come between."""
        self.count(cx, key, self.amount(cx, count))

    def count(self, cx: Context, key: Any, amount: Op) -> None:
        """Make the element if need be, and add to it."""

        def initial() -> Op:
            place = stack(cx, self.value.size, "zero")
            zero(cx, place, self.value.size)
            return place.base

        address = self._ensure(cx, self.key_at(cx, key), initial)
        there, full, after = (cx.build.new_block(name) for name in ("there", "full", "added"))
        cx.build.branch("ne", address, cx.build.const(0), there, full)
        cx.build.enter(there)
        self.add_to(cx, Memory(address), amount)
        cx.build.jump(after)
        cx.build.enter(full)
        cx.dropped.count(cx, self.name)
        cx.build.jump(after)
        cx.build.enter(after)

    def amount(self, cx: Context, count: Any) -> Op:
        """What `add` adds."""
        if not isinstance(self.value, Int) or isinstance(self.value, Pointer) or self.value.size < 4:
            raise cx.error(f"add needs numbers of 4 or 8 bytes; {self.describe()} is of {self.value.name}")
        return integer(cx, count, self.value, f"what is added to {self.name}")

    def add_to(self, cx: Context, place: Memory, amount: Op) -> None:
        """Add to the number at a place; on this CPU alone it takes no atomic operation."""
        size = self.value.size
        if self.per_cpu:
            before = cx.build.load(place.base, place.offset, size)
            cx.build.store(place.base, place.offset, size, cx.build.alu("add", before, amount))
        else:
            cx.build.atomic("add", place.base, place.offset, size, amount)
