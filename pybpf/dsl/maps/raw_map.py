"""A map of any type, for those that have no class of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybpf.dsl.maps.map import Map
from pybpf.dsl.types import layout_of
from pybpf.errors import LoweringError
from pybpf.spec import Layout, MapSpec

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["RawMap"]


class RawMap(Map):
    """A map of any type: `RawMap("sockets", BPF_MAP_TYPE_SOCKMAP, u32, u32, 64)`.

    `type` is a `BPF_MAP_TYPE_*` of `pybpf.uapi.bpf`, `key` and `value` are as other maps have them, or None
    where such a map has none. In a probe it is given to helpers.
    """

    def __init__(
        self, name: str, type: int, key: Any = None, value: Any = None, max_entries: int = 0, flags: int = 0
    ) -> None:
        super().__init__(name, flags)
        if not isinstance(type, int) or isinstance(type, bool):
            raise LoweringError(f"the type of {name} is a BPF_MAP_TYPE_* of pybpf.uapi.bpf, not {type!r}")
        self.type = type
        self.key: Layout | None = None if key is None else layout_of(key, {}, f"the key of {name}")
        self.value: Layout | None = None if value is None else layout_of(value, {}, f"the value of {name}")
        self.max_entries = max_entries

    def specs(self, buffer: str) -> list[MapSpec]:
        return self.spec(self.key, self.value, self.max_entries)

    def describe(self) -> str:
        return f"the raw map {self.name}"

    def item(self, cx: Context, key: Any) -> Any:
        raise self.only(cx, "is worked with by helpers", f"write map_lookup_elem({self.name}, key)")

    def set_item(self, cx: Context, key: Any, value: Any) -> None:
        raise self.only(
            cx, "is worked with by helpers", f"write map_update_elem({self.name}, key, value, BPF_ANY)"
        )
