"""What maps had no room for: a counter for each map that a probe puts elements into by `map[key] = value`.

They are the only element of one array, `.bss`, a u64 a map (Linux 5.2).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pybpf.dsl.types import u32, u64
from pybpf.dsl.values import Condition
from pybpf.spec import MapSpec, Struct
from pybpf.spec.objects import DROPPED
from pybpf.uapi import bpf

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["Dropped"]


class Dropped:
    """The counters of one object, of its maps in their order, whichever program is lowered first."""

    def __init__(self, maps: Iterable[str]) -> None:
        self._names = list(maps)
        self._used = False

    def count(self, cx: Context, map: str) -> None:
        """Count one element that a map didn't take."""
        self._used = True
        if map not in self._names:  # one that is found in another
            self._names.append(map)
        counter = cx.build.map_value(DROPPED, u64.size * self._names.index(map))
        cx.build.atomic("add", counter, 0, u64.size, cx.build.const(1))

    def unless(self, cx: Context, worked: Condition, map: str) -> None:
        """Count one if an update of a map did not work."""
        failed, done = cx.build.new_block("dropped"), cx.build.new_block("put")
        cx.build.branch(worked.condition, worked.a, worked.b, done, failed, worked.size)
        cx.build.enter(failed)
        self.count(cx, map)
        cx.build.jump(done)
        cx.build.enter(done)

    def specs(self) -> list[MapSpec]:
        """The map, if there are any."""
        if not self._used:
            return []
        layout = Struct("dropped", [(name, u64) for name in self._names])
        return [MapSpec(DROPPED, bpf.BPF_MAP_TYPE_ARRAY, 4, layout.size, 1, key=u32, value=layout)]
