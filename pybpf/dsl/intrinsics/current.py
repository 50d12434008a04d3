"""The task that a probe runs in: `current.pid`.

`pid` (the thread group), `tid`, `uid`, `gid`: u32 (Linux 4.2). `comm`: a text of 16 bytes (4.2).
`cpu`: u32 (4.1). `numa_node`: i32 (4.10). `cgroup_id`: u64, the inode of its cgroup v2 (4.18).
`task`: its `struct task_struct *` (4.8).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybpf.codegen.ir import Op
from pybpf.dsl.kernel import pointer
from pybpf.dsl.text import Text
from pybpf.dsl.types import i32, u32, u64
from pybpf.dsl.values import Scalar, Value
from pybpf.errors import near

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["current"]

# TASK_COMM_LEN, include/linux/sched.h.
_COMM_SIZE = 16
# A member, the helper that gives it, and where in its result it lies: shifted down, or the low bits.
_NUMBERS = {
    "pid": ("get_current_pid_tgid", 32, u32),
    "tid": ("get_current_pid_tgid", 0, u32),
    "uid": ("get_current_uid_gid", 0, u32),
    "gid": ("get_current_uid_gid", 32, u32),
    "cpu": ("get_smp_processor_id", 0, u32),
    "cgroup_id": ("get_current_cgroup_id", 0, u64),
    "numa_node": ("get_numa_node_id", 0, i32),
}
_MEMBERS = (*_NUMBERS, "comm", "task")


class _Current(Value):
    """The value of `current`."""

    def __init__(self) -> None:
        self.__doc__ = __doc__

    def __repr__(self) -> str:
        return "<the current task of a probe>"

    def describe(self) -> str:
        return "the current task"

    def attribute(self, cx: Context, name: str) -> Any:
        if name in _NUMBERS:
            helper, shift, layout = _NUMBERS[name]
            result = cx.build.call(helper)
            if shift:
                return Scalar(cx.build.alu("rsh", result, cx.build.const(shift)), layout)
            return Scalar(cx.build.extend(result, layout.size, layout.signed), layout)
        if name == "comm":
            return Text(_COMM_SIZE, fill=_comm)
        if name == "task":
            return pointer(cx, cx.build.call("get_current_task"), "struct task_struct *")
        raise cx.error(
            f"the current task has no {name!r}{near(name, _MEMBERS)}; it has {', '.join(_MEMBERS)}"
        )

    def set_attribute(self, cx: Context, name: str, value: Any) -> None:
        raise cx.error("a probe can't change the current task")


def _comm(cx: Context, into: Op) -> None:
    cx.build.call("get_current_comm", into, cx.build.const(_COMM_SIZE))


current = _Current()
