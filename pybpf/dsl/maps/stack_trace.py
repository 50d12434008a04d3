"""Stack traces: each is kept once, and known by a number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybpf.dsl.maps.map import Map
from pybpf.dsl.method import method
from pybpf.dsl.types import i64, u32, u64
from pybpf.dsl.values import Scalar
from pybpf.errors import LoweringError
from pybpf.spec import Array, MapSpec
from pybpf.uapi import bpf

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["StackTrace"]

_MOST_FRAMES = 127  # PERF_MAX_STACK_DEPTH, include/uapi/linux/perf_event.h


class StackTrace(Map):
    """`BPF_MAP_TYPE_STACK_TRACE` (Linux 4.6): from a trace's number to its addresses, innermost first."""

    type = bpf.BPF_MAP_TYPE_STACK_TRACE

    def __init__(self, name: str, max_entries: int, depth: int = _MOST_FRAMES, flags: int = 0) -> None:
        super().__init__(name, flags)
        if not 1 <= depth <= _MOST_FRAMES:
            raise LoweringError(f"{name} keeps {depth} frames of a stack; it can be 1 to {_MOST_FRAMES}")
        self.value = Array(u64, depth)
        self.max_entries = self.room(max_entries)

    def specs(self, buffer: str) -> list[MapSpec]:
        return self.spec(u32, self.value, self.max_entries)

    @method
    def kernel_stack(self, cx: Context, skip: Any = 0) -> Scalar:
        """Keep the kernel's stack, without its `skip` innermost frames; its number, or a negative error:
        -17 when another trace has its place, -14 when there is no stack."""
        if cx.trampoline:
            raise cx.error("a stack would begin with the kernel's trampoline, where a kprobe's does not")
        return self._keep(cx, skip, 0)

    @method
    def user_stack(self, cx: Context, skip: Any = 0) -> Scalar:
        """The same with the stack of the process."""
        return self._keep(cx, skip, bpf.BPF_F_USER_STACK)

    def _keep(self, cx: Context, skip: Any, flags: int) -> Scalar:
        if not isinstance(skip, int) or not 0 <= skip <= bpf.BPF_F_SKIP_FIELD_MASK:
            raise cx.error(f"skip must be known at build time, from 0 to {bpf.BPF_F_SKIP_FIELD_MASK}")
        number = cx.build.call("get_stackid", cx.context, self.op(cx), cx.build.const(flags | skip))
        return Scalar(number, i64)
