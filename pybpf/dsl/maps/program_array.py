"""Arrays of programs, and of control groups: user space fills them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybpf.codegen.ir import Op
from pybpf.dsl.index import position
from pybpf.dsl.maps.map import Map
from pybpf.dsl.method import method
from pybpf.dsl.types import i64, u32
from pybpf.dsl.values import Scalar, integer
from pybpf.spec import MapSpec
from pybpf.uapi import bpf

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["CgroupArray", "ProgramArray"]


class _Descriptors(Map):
    """An array whose elements user space sets to file descriptors."""

    def __init__(self, name: str, max_entries: int, flags: int = 0) -> None:
        super().__init__(name, flags)
        self.max_entries = self.room(max_entries)

    def specs(self, buffer: str) -> list[MapSpec]:
        return self.spec(u32, u32, self.max_entries)

    def index(self, cx: Context, key: Any) -> Op:
        position(cx, key, self.max_entries, self)
        return integer(cx, key, u32, f"an index of {self.name}")


class ProgramArray(_Descriptors):
    """`BPF_MAP_TYPE_PROG_ARRAY` (Linux 4.2)."""

    type = bpf.BPF_MAP_TYPE_PROG_ARRAY

    @method
    def tail_call(self, cx: Context, index: Any) -> None:
        """Go on with the program at `index`, and never come back; without one there, just go on here."""
        cx.build.call("tail_call", cx.context, self.op(cx), self.index(cx, index))


class CgroupArray(_Descriptors):
    """`BPF_MAP_TYPE_CGROUP_ARRAY` (Linux 4.8)."""

    type = bpf.BPF_MAP_TYPE_CGROUP_ARRAY

    @method
    def holds_current(self, cx: Context, index: Any) -> Scalar:
        """Whether the current task is in the control group at `index`, or below it: 1 or 0, negative when
        there is no such group (Linux 4.9)."""
        found = cx.build.call("current_task_under_cgroup", self.op(cx), self.index(cx, index))
        return Scalar(found, i64)
