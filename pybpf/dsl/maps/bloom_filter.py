"""Bloom filters: sets that forget nothing, and may take a value for a member that is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybpf.dsl.maps.map import Map
from pybpf.dsl.method import method
from pybpf.dsl.places import place_of
from pybpf.dsl.types import layout_of
from pybpf.dsl.values import Condition
from pybpf.spec import MapSpec
from pybpf.uapi import bpf

if TYPE_CHECKING:
    from pybpf.codegen.ir import Op
    from pybpf.dsl.context import Context

__all__ = ["BloomFilter"]


class BloomFilter(Map):
    """`BPF_MAP_TYPE_BLOOM_FILTER` (Linux 5.16): `value in filter`, sized for `max_entries` values."""

    type = bpf.BPF_MAP_TYPE_BLOOM_FILTER

    def __init__(self, name: str, value: Any, max_entries: int, flags: int = 0) -> None:
        super().__init__(name, flags)
        self.value = layout_of(value, {}, f"the value of {name}")
        self.max_entries = self.room(max_entries)

    def specs(self, buffer: str) -> list[MapSpec]:
        return self.spec(None, self.value, self.max_entries)

    def _place(self, cx: Context, value: Any) -> Op:
        return place_of(cx, self.value, value, f"the value of {self.name}").address(cx)

    @method
    def add(self, cx: Context, value: Any) -> None:
        """Make a value a member, for good."""
        cx.build.call("map_push_elem", self.op(cx), self._place(cx, value), cx.build.const(bpf.BPF_ANY))

    def contains(self, cx: Context, key: Any) -> Condition:
        failed = cx.build.call("map_peek_elem", self.op(cx), self._place(cx, key))
        return self.worked(cx, failed)
