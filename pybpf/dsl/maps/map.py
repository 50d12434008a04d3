"""What all maps have in common: a declared map is also what a probe works with."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pybpf.codegen.ir import Op
from pybpf.dsl.method import Methods
from pybpf.dsl.types import i32
from pybpf.dsl.values import Condition, Scalar, Value
from pybpf.errors import LoweringError
from pybpf.spec import Layout, MapSpec

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["Map"]


class Map(Methods):
    """Base of all declared maps; `name` is the kernel's, where at most 15 characters are kept.

    `type` is the `BPF_MAP_TYPE_*`, `flags` are `BPF_F_*` of its creation. `handle` is the map's address where
    only the kernel knows which map it is: one that was found in a map of maps.
    """

    type = 0

    def __init__(self, name: str, flags: int = 0) -> None:
        if not isinstance(name, str) or not re.fullmatch(r"[\w.]+", name, re.ASCII):
            raise LoweringError(f"{name!r} is no name of a map: it is made of letters, digits, _ and .")
        self.name = name
        self.flags = flags
        self.handle: Op | None = None

    def room(self, max_entries: Any) -> int:
        """For how many elements the map has room."""
        if not isinstance(max_entries, int) or not 1 <= max_entries < 1 << 32:
            raise LoweringError(f"max_entries of {self.name} is a number from 1 on, not {max_entries!r}")
        return max_entries

    def specs(self, buffer: str) -> list[MapSpec]:
        """The maps to be made; `buffer` (`ringbuf`, `perf`) is how events are sent."""
        raise NotImplementedError

    def spec(self, key: Layout | None, value: Layout | None, max_entries: int) -> list[MapSpec]:
        """The one map to be made, of this key and value."""
        key_size, value_size = (layout.size if layout else 0 for layout in (key, value))
        return [MapSpec(self.name, self.type, key_size, value_size, max_entries, self.flags, key, value)]

    def describe(self) -> str:
        return f"the map {self.name}"

    @property
    def parts(self) -> tuple[Op, ...]:  # type: ignore[override]
        return () if self.handle is None else (self.handle,)

    def rebuild(self, parts: Sequence[Op]) -> Value:
        return self.at(parts[0]) if parts else self

    def at(self, handle: Op) -> Map:
        """A map like this one that the kernel found."""
        made = copy.copy(self)
        made.handle = handle
        return made

    def op(self, cx: Context) -> Op:
        """The map as an argument of a helper."""
        return self.handle or cx.build.map(self.name)

    def failure(self, cx: Context, result: Op) -> Scalar:
        """What a call that changes the map gave: 0, or a negative error number.

        Before 6.4 such a call is made without going through the helper, and gives 32 bits.
        """
        return Scalar(cx.build.extend(result, 4, signed=True), i32)

    def worked(self, cx: Context, result: Op) -> Condition:
        """Whether such a call gave 0."""
        return Condition("eq", cx.build.extend(result, 4, signed=False), cx.build.const(0), 4)

    def length(self, cx: Context) -> int:
        raise self.only(
            cx, "doesn't tell a program how much is in it", "count with for_each, or in a Counter"
        )

    def attribute(self, cx: Context, name: str) -> Any:
        if name in ("items", "keys", "values"):
            raise self.only(cx, "can't be walked by `for`", f"write {self.name}.for_each(body, state)")
        return super().attribute(cx, name)

    def only(self, cx: Context, what: str, cure: str) -> Any:
        """What a map of this type can't do."""
        return cx.error(f"{self.describe()} {what}; {cure}")
