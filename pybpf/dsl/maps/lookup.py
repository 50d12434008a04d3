"""Looking into a map by a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybpf.codegen.ir import Op
from pybpf.dsl.branching import choose
from pybpf.dsl.index import position
from pybpf.dsl.maps.map import Map
from pybpf.dsl.maybe import Maybe
from pybpf.dsl.memory import Memory, load_int, stack, write
from pybpf.dsl.method import method
from pybpf.dsl.places import load, place_of
from pybpf.dsl.records import number
from pybpf.dsl.types import layout_of, u32
from pybpf.dsl.values import Condition, Scalar, integer
from pybpf.spec import Int, Layout, MapSpec, Pointer

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["Indexed", "Lookup", "found_at"]


class Lookup(Map):
    """A map of `key` to `value`: layouts, records or C declarations of kernel pointers.

    `map[key]` and `map.get(key)` are the element, or None. A record is the one in the map: to set its
    members is to change the map. A number is a copy.
    """

    def __init__(self, name: str, key: Any, value: Any, max_entries: int, flags: int = 0) -> None:
        super().__init__(name, flags)
        self.key: Layout = layout_of(key, {}, f"the key of {name}")
        self.value: Layout = layout_of(value, {}, f"the value of {name}")
        self.max_entries = self.room(max_entries)

    def specs(self, buffer: str) -> list[MapSpec]:
        return self.spec(self.key, self.value, self.max_entries)

    def key_at(self, cx: Context, key: Any) -> Op:
        """The address of a key."""
        return place_of(cx, self.key, key, f"the key of {self.name}").address(cx)

    def lookup(self, cx: Context, key: Op) -> Op:
        """The address of the value at a key's address; 0 when there is none."""
        return cx.build.call("map_lookup_elem", self.op(cx), key)

    def address_of(self, cx: Context, key: Any) -> Op:
        """The address of the value of a key; 0 when there is none."""
        return self.lookup(cx, self.key_at(cx, key))

    def found(self, cx: Context, address: Op) -> Maybe:
        """The element at an address, or None."""
        return found_at(cx, address, self.value)

    def number_at(self, cx: Context, address: Op) -> Op:
        """The number that is the value at an address."""
        assert isinstance(self.value, Int)
        return load_int(cx, Memory(address), self.value)

    @method
    def get(self, cx: Context, key: Any, default: Any = None) -> Any:
        """The element, or None; of a map of numbers, `default` when there is none."""
        address = self.address_of(cx, key)
        return self.found(cx, address) if default is None else self.found_or(cx, address, default)

    def found_or(self, cx: Context, address: Op, default: Any) -> Scalar:
        """The number at an address, or `default`."""
        other = self.default(cx, default, "get")
        assert isinstance(self.value, Int)
        there = _there(cx, address)
        chosen = choose(cx, there, "present", lambda: self.number_at(cx, address), lambda: other)
        return Scalar(chosen, self.value)

    def default(self, cx: Context, value: Any, method: str) -> Op:
        """The number that stands for an element that isn't there."""
        if not isinstance(self.value, Int) or isinstance(self.value, Pointer):
            raise cx.error(f"only a map of numbers has a default; {self.name} is one of {self.value.name}")
        return integer(cx, value, self.value, f"the default of {self.name}.{method}")

    def item(self, cx: Context, key: Any) -> Any:
        return self.found(cx, self.address_of(cx, key))

    def contains(self, cx: Context, key: Any) -> Condition | bool:
        return _there(cx, self.address_of(cx, key))


class Indexed(Lookup):
    """A map whose keys are indices, from 0 up to `max_entries`."""

    def key_at(self, cx: Context, key: Any) -> Op:
        index = position(cx, key, self.max_entries, self)
        place = stack(cx, 4, "index")
        op = cx.build.const(index) if isinstance(index, int) else index.op
        if isinstance(index, Scalar) and index.most > u32.maximum:
            # What doesn't fit an index must not become one that is there.
            most = cx.build.const(u32.maximum)
            op = choose(cx, Condition("gt", index.op, most), "beyond", lambda: most, lambda: index.op)
        write(cx, place, 4, op)
        return place.base

    def contains(self, cx: Context, key: Any) -> Condition | bool:
        index = position(cx, key, self.max_entries, self)
        return isinstance(index, int) or Condition("lt", index.op, cx.build.const(self.max_entries))


def found_at(cx: Context, address: Op, layout: Layout) -> Maybe:
    """The value at an address, or None when that is 0; of a number, a copy."""
    if not isinstance(layout, Int):
        return Maybe(load(cx, Memory(address), layout), address)
    copied = choose(cx, _there(cx, address), "present", lambda: load_int(cx, Memory(address), layout))
    return Maybe(number(cx, copied, layout), address)


def _there(cx: Context, address: Op) -> Condition:
    return Condition("ne", address, cx.build.const(0))
