"""Helpers and what else the kernel offers a probe, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Callable

from pybpf.codegen.ir import Local, Op
from pybpf.dsl.kernel import KernelMemory, KernelPointer, pointer
from pybpf.dsl.records import TextPlace
from pybpf.dsl.text import Text
from pybpf.dsl.types import i64, u32, u64
from pybpf.dsl.values import Scalar, Value
from pybpf.errors import near

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["Intrinsic", "current", "ktime_get_boot_ns", "ktime_get_ns", "probe_read_kernel_str"]

# TASK_COMM_LEN, include/linux/sched.h.
_COMM_SIZE = 16


class Intrinsic(Value):
    """A function that only a probe can call; `lower` makes its code."""

    def __init__(self, lower: Callable[..., Any]) -> None:
        self.lower = lower
        self.__doc__ = lower.__doc__

    def describe(self) -> str:
        return f"the helper {self.lower.__name__}"

    def call(self, cx: Context, args: Sequence[Any], keywords: dict[str, Any]) -> Any:
        count = self.lower.__code__.co_argcount - 1
        if keywords or len(args) != count:
            found = len(args) + len(keywords)
            raise cx.error(f"{self.lower.__name__} takes {count} argument{'s' * (count != 1)}, not {found}")
        return self.lower(cx, *args)


@Intrinsic
def ktime_get_ns(cx: Context) -> Scalar:
    """Nanoseconds since boot, without time in suspend (`CLOCK_MONOTONIC`; Linux 4.1)."""
    return Scalar(cx.build.call("ktime_get_ns"), u64)


@Intrinsic
def ktime_get_boot_ns(cx: Context) -> Any:
    """Nanoseconds since boot (`CLOCK_BOOTTIME`; Linux 5.8); 0 before, and the reader's clock serves."""
    if "ktime_get_boot_ns" not in cx.target.features:
        return 0
    return Scalar(cx.build.call("ktime_get_boot_ns"), u64)


@Intrinsic
def probe_read_kernel_str(cx: Context, into: Any, source: Any) -> Scalar:
    """Copy a text of the kernel's into a text member; how many bytes it took, its NUL among them.

    A text that can't be read is empty, and one that is too long is cut. Linux 5.5; `probe_read_str` (4.11)
    serves before.
    """
    if not isinstance(into, TextPlace):
        found = into.describe() if isinstance(into, Value) else repr(into)
        raise cx.error(f"probe_read_kernel_str writes to a text member of an event, not to {found}")
    address = _address(cx, source)
    place = into.address(cx)
    helper = cx.helper("probe_read_kernel_str", "probe_read_str")
    length = cx.build.call(helper, place, cx.build.const(into.size), address)
    # One unsigned comparison catches a negative error too, and tells the verifier the range.
    failed, read, after = (cx.build.new_block(name) for name in ("unread", "read", "text"))
    local = Local("length")
    cx.build.branch("gt", length, cx.build.const(into.size), failed, read)
    cx.build.enter(read)
    cx.build.set(local, length)
    cx.build.jump(after)
    cx.build.enter(failed)
    cx.build.store(place, 0, 1, cx.build.const(0))
    cx.build.set(local, cx.build.const(1))
    cx.build.jump(after)
    cx.build.enter(after)
    into.filled(cx, cx.build.get(local))
    return Scalar(cx.build.get(local), i64)


def _address(cx: Context, source: Any) -> Op:
    if isinstance(source, KernelPointer):
        return source.op
    if isinstance(source, KernelMemory):
        return source.address(cx)
    found = source.describe() if isinstance(source, Value) else repr(source)
    raise cx.error(f"this takes a kernel pointer, not {found}")


class _Current(Value):
    """The task that a probe runs in."""

    def describe(self) -> str:
        return "the current task"

    def attribute(self, cx: Context, name: str) -> Any:
        if name in _IDS:
            helper, shift = _IDS[name]
            ids = cx.build.call(helper)
            if shift:
                return Scalar(cx.build.alu("rsh", ids, cx.build.const(32)), u32)
            return Scalar(cx.build.extend(ids, 4, False), u32)
        if name == "comm":
            return Text(_COMM_SIZE, fill=_comm)
        if name == "task":
            return pointer(cx, cx.build.call("get_current_task"), "struct task_struct *")
        known = [*_IDS, "comm", "task"]
        raise cx.error(f"the current task has no {name!r}{near(name, known)}; it has {', '.join(known)}")


def _comm(cx: Context, into: Op) -> None:
    cx.build.call("get_current_comm", into, cx.build.const(_COMM_SIZE))


_IDS = {
    "pid": ("get_current_pid_tgid", 32),
    "tid": ("get_current_pid_tgid", 0),
    "uid": ("get_current_uid_gid", 0),
    "gid": ("get_current_uid_gid", 32),
}

current = _Current()
