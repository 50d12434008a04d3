"""Maps whose elements are maps; user space puts them in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybpf.codegen.ir import Op
from pybpf.dsl.maps.lookup import Indexed, Lookup
from pybpf.dsl.maps.map import Map
from pybpf.dsl.maybe import Maybe
from pybpf.dsl.types import u32
from pybpf.dsl.values import Scalar
from pybpf.errors import LoweringError
from pybpf.spec import MapSpec
from pybpf.uapi import bpf

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["ArrayOfMaps", "HashOfMaps"]


class HashOfMaps(Lookup):
    """`BPF_MAP_TYPE_HASH_OF_MAPS` (Linux 4.12): from a key to a map like `inner`, which is a map's
    declaration and makes no map itself. `map[key]` is that map, or None."""

    type = bpf.BPF_MAP_TYPE_HASH_OF_MAPS

    def __init__(self, name: str, key: Any, inner: Map, max_entries: int, flags: int = 0) -> None:
        super().__init__(name, key, u32, max_entries, flags)
        if len(inner.specs("ringbuf")) != 1 or isinstance(inner, HashOfMaps):
            raise LoweringError(f"{inner.describe()} can't be an element of {name}: it is not one plain map")
        self.inner = inner

    def specs(self, buffer: str) -> list[MapSpec]:
        (inner,) = self.inner.specs(buffer)
        (spec,) = super().specs(buffer)
        return [spec._replace(inner=inner)]

    def found(self, cx: Context, address: Op) -> Maybe:
        return Maybe(self.inner.at(address), address)

    def found_or(self, cx: Context, address: Op, default: Any) -> Scalar:
        raise self.only(cx, "holds maps", "get gives None when there is none, and takes no default")

    def set_item(self, cx: Context, key: Any, value: Any) -> None:
        raise self.only(cx, "holds maps", "only user space can put them in and take them out")

    def delete_item(self, cx: Context, key: Any) -> None:
        self.set_item(cx, key, None)


class ArrayOfMaps(Indexed, HashOfMaps):
    """`BPF_MAP_TYPE_ARRAY_OF_MAPS` (Linux 4.12): the same with an index as the key."""

    type = bpf.BPF_MAP_TYPE_ARRAY_OF_MAPS

    def __init__(self, name: str, inner: Map, max_entries: int, flags: int = 0) -> None:
        super().__init__(name, u32, inner, max_entries, flags)
