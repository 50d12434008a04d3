"""Arrays: `max_entries` elements that are always there, 0 at first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybpf.dsl.branching import surely
from pybpf.dsl.index import position
from pybpf.dsl.maps.keyed import Keyed
from pybpf.dsl.maps.lookup import Indexed
from pybpf.dsl.memory import Memory
from pybpf.dsl.method import method
from pybpf.dsl.places import load, store
from pybpf.dsl.types import u32
from pybpf.dsl.values import Condition
from pybpf.uapi import bpf

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["ArrayMap", "PerCpuArrayMap"]


class ArrayMap(Indexed, Keyed):
    """`BPF_MAP_TYPE_ARRAY` (Linux 3.19).

    `array[index]` is the element where the index can't be too large: a constant, or a kernel value with a
    bound. Otherwise it may be None. The only element of an array of one takes no lookup.
    """

    type = bpf.BPF_MAP_TYPE_ARRAY

    def __init__(self, name: str, value: Any, max_entries: int, flags: int = 0) -> None:
        super().__init__(name, u32, value, max_entries, flags)

    def _is_certain(self, cx: Context, key: Any) -> bool:
        index = position(cx, key, self.max_entries, self)
        return isinstance(index, int) or index.most < self.max_entries

    def place(self, cx: Context, key: Any) -> Memory:
        """Where an element lies that is certainly there."""
        if not self._is_certain(cx, key):
            raise cx.error(
                f"this index may be as large as {key.most}, and {self.describe()} has {self.max_entries}"
                f" elements: bound it, as in min(i, {self.max_entries - 1})"
            )
        if self.max_entries == 1 and not self.per_cpu and self.handle is None:
            return Memory(cx.build.map_value(self.name, 0))
        address = self.lookup(cx, self.key_at(cx, key))
        surely(cx, Condition("ne", address, cx.build.const(0)))
        return Memory(address)

    def item(self, cx: Context, key: Any) -> Any:
        if self._is_certain(cx, key):
            return load(cx, self.place(cx, key), self.value)
        return super().item(cx, key)

    def set_item(self, cx: Context, key: Any, value: Any) -> None:
        store(cx, self.place(cx, key), self.value, value, f"an element of {self.name}")

    def delete_item(self, cx: Context, key: Any) -> None:
        raise self.only(cx, "is an array, whose elements are always there", "set one to 0 instead")

    @method
    def pop(self, cx: Context, key: Any) -> Any:
        """An array's elements can't be taken out."""
        raise self.only(cx, "is an array, whose elements are always there", "read one and set it to 0")

    @method
    def setdefault(self, cx: Context, key: Any, value: Any) -> Any:
        """An array's elements are there already."""
        raise self.only(cx, "is an array, whose elements are always there", f"write {self.name}[index]")

    @method
    def add(self, cx: Context, key: Any, count: Any = 1) -> None:
        """Add to the number at an index; no other CPU can come between."""
        amount = self.amount(cx, count)
        self.add_to(cx, self.place(cx, key), amount)


class PerCpuArrayMap(ArrayMap):
    """`BPF_MAP_TYPE_PERCPU_ARRAY` (Linux 4.6): every CPU has elements of its own."""

    type = bpf.BPF_MAP_TYPE_PERCPU_ARRAY
    per_cpu = True
