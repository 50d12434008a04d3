"""Maps that are looked into by a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybpf.codegen.ir import Local, Op
from pybpf.dsl.branching import choose
from pybpf.dsl.maps.map import Map
from pybpf.dsl.maybe import Maybe
from pybpf.dsl.memory import Memory, copy, read, stack, zero
from pybpf.dsl.method import method
from pybpf.dsl.places import load, place_of
from pybpf.dsl.records import RecordValue, number
from pybpf.dsl.types import layout_of
from pybpf.dsl.values import Condition, Scalar, integer
from pybpf.spec import Int, Layout, MapSpec, Pointer, Struct
from pybpf.uapi import bpf

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["Keyed"]


class Keyed(Map):
    """A map of `key` to `value`: layouts, records or C declarations of kernel pointers.

    `map[key]` and `map.get(key)` are the element, or None. A record is the one in the map: to set its
    members is to change the map. A number is a copy.
    """

    per_cpu = False

    def __init__(self, name: str, key: Any, value: Any, max_entries: int, flags: int = 0) -> None:
        super().__init__(name, flags)
        self.key: Layout = layout_of(key, {}, f"the key of {name}")
        self.value: Layout = layout_of(value, {}, f"the value of {name}")
        self.max_entries = max_entries

    def specs(self, buffer: str) -> list[MapSpec]:
        return self.spec(self.key, self.value, self.max_entries)

    def key_at(self, cx: Context, key: Any) -> Op:
        """The address of a key."""
        return place_of(cx, self.key, key, f"the key of {self.name}").address(cx)

    def value_at(self, cx: Context, value: Any) -> Op:
        """The address of a value."""
        return place_of(cx, self.value, value, f"the value of {self.name}").address(cx)

    def lookup(self, cx: Context, key: Op) -> Op:
        """The address of the value at a key's address; 0 when there is none."""
        return cx.build.call("map_lookup_elem", self.op(cx), key)

    def found(self, cx: Context, address: Op) -> Maybe:
        """The element at an address, or None."""
        if not isinstance(self.value, Int):
            return Maybe(load(cx, Memory(address), self.value), address)
        copied = choose(cx, _there(cx, address), "present", lambda: self._number(cx, address))
        return Maybe(number(cx, copied, self.value), address)

    def _number(self, cx: Context, address: Op) -> Op:
        assert isinstance(self.value, Int)
        return read(cx, Memory(address), self.value.size, self.value.signed)

    @method
    def get(self, cx: Context, key: Any, default: Any = None) -> Any:
        """The element, or None; of a map of numbers, `default` when there is none."""
        address = self.lookup(cx, self.key_at(cx, key))
        if default is None:
            return self.found(cx, address)
        if not isinstance(self.value, Int) or isinstance(self.value, Pointer):
            raise cx.error(f"only a map of numbers has a default; {self.name} is one of {self.value.name}")
        what = f"the default of {self.name}.get"
        other = integer(cx, default, self.value, what)
        chosen = choose(cx, _there(cx, address), "present", lambda: self._number(cx, address), lambda: other)
        return Scalar(chosen, self.value)

    def item(self, cx: Context, key: Any) -> Any:
        return self.found(cx, self.lookup(cx, self.key_at(cx, key)))

    def contains(self, cx: Context, key: Any) -> Condition | bool:
        return _there(cx, self.lookup(cx, self.key_at(cx, key)))

    def set_item(self, cx: Context, key: Any, value: Any) -> None:
        self._update(cx, key, value, bpf.BPF_ANY)

    def _update(self, cx: Context, key: Any, value: Any, flags: int) -> Op:
        key_at, value_at = self.key_at(cx, key), self.value_at(cx, value)
        return cx.build.call("map_update_elem", self.op(cx), key_at, value_at, cx.build.const(flags))

    @method
    def update(self, cx: Context, key: Any, value: Any, flags: Any = bpf.BPF_ANY) -> Scalar:
        """Set an element; 0, or a negative error number: with BPF_NOEXIST -17 when there is one already,
        with BPF_EXIST -2 when there is none, -7 when the map is full."""
        if not isinstance(flags, int):
            raise cx.error("the flags of update must be known at build time")
        return self.failure(cx, self._update(cx, key, value, flags))

    def delete_item(self, cx: Context, key: Any) -> None:
        cx.build.call("map_delete_elem", self.op(cx), self.key_at(cx, key))

    @method
    def pop(self, cx: Context, key: Any) -> Maybe:
        """Look up, copy, delete: the copy is made first, since the element may be reused after."""
        place = self.key_at(cx, key)
        address = self.lookup(cx, place)
        present, after = cx.build.new_block("present"), cx.build.new_block("popped")
        cx.build.branch("ne", address, cx.build.const(0), present, after)
        cx.build.enter(present)
        copied = self._copy(cx, address)
        cx.build.call("map_delete_elem", self.op(cx), place)
        cx.build.jump(after)
        cx.build.enter(after)
        return Maybe(copied(), address)

    def _copy(self, cx: Context, address: Op) -> Any:
        """Copy the value at an address; returns a function that gives the copy."""
        source = Memory(address)
        if isinstance(self.value, Int):
            local = Local(self.name)
            cx.build.set(local, self._number(cx, address))
            layout = self.value
            return lambda: number(cx, cx.build.get(local), layout)
        if isinstance(self.value, Struct) and RecordValue.can_hold(self.value):
            record = RecordValue.new(self.value)
            for leaf in self.value.leaves():
                assert isinstance(leaf.layout, Int)
                part = source.part(leaf.offset, leaf.name)
                cx.build.set(record.members[leaf.name], read(cx, part, leaf.layout.size, leaf.layout.signed))
            return lambda: record
        place = stack(cx, self.value.size, self.name)
        copy(cx, place, source, self.value.size)
        return lambda: load(cx, place, self.value)

    @method
    def setdefault(self, cx: Context, key: Any, value: Any) -> Maybe:
        """The element; when there is none, `value` is put there first. None when the map is full."""
        return self.found(cx, self.ensure(cx, self.key_at(cx, key), lambda: self.value_at(cx, value)))

    def ensure(self, cx: Context, key: Op, initial: Any) -> Op:
        """The address of an element, made if need be, though another CPU may make it at the same time."""
        address = self.lookup(cx, key)

        def absent() -> Op:
            flags = cx.build.const(bpf.BPF_NOEXIST)
            cx.build.call("map_update_elem", self.op(cx), key, initial(), flags)
            return self.lookup(cx, key)

        return choose(cx, Condition("eq", address, cx.build.const(0)), "absent", absent, lambda: address)

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

        address = self.ensure(cx, self.key_at(cx, key), initial)
        there, after = cx.build.new_block("there"), cx.build.new_block("added")
        cx.build.branch("ne", address, cx.build.const(0), there, after)
        cx.build.enter(there)
        self.add_to(cx, Memory(address), amount)
        cx.build.jump(after)
        cx.build.enter(after)

    def amount(self, cx: Context, count: Any) -> Op:
        """What `add` adds."""
        if not isinstance(self.value, Int) or isinstance(self.value, Pointer) or self.value.size < 4:
            raise cx.error(
                f"add needs a map of numbers of 4 or 8 bytes; {self.name} is one of {self.value.name}"
            )
        return integer(cx, count, self.value, f"what is added to {self.name}")

    def add_to(self, cx: Context, place: Memory, amount: Op) -> None:
        """Add to the number at a place; on this CPU alone it takes no atomic operation."""
        size = self.value.size
        if self.per_cpu:
            before = cx.build.load(place.base, place.offset, size)
            cx.build.store(place.base, place.offset, size, cx.build.alu("add", before, amount))
        else:
            cx.build.atomic("add", place.base, place.offset, size, amount)


def _there(cx: Context, address: Op) -> Condition:
    return Condition("ne", address, cx.build.const(0))
