"""Texts in the memory of the kernel and of processes, copied into a text of the program's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybpf.codegen.ir import Local, Op
from pybpf.dsl.intrinsics.intrinsic import Intrinsic, found
from pybpf.dsl.kernel import KernelMemory, KernelPointer
from pybpf.dsl.records import TextPlace
from pybpf.dsl.types import i64
from pybpf.dsl.values import Scalar

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["probe_read_kernel_str", "probe_read_user_str"]


@Intrinsic
def probe_read_kernel_str(cx: Context, into: Any, source: Any) -> Scalar:
    """Copy a text of the kernel's into a text member; how many bytes it took, its NUL among them.

    A text that can't be read is empty, and one that is too long is cut. Linux 5.5; `probe_read_str` (4.11)
    serves before.
    """
    return _read_text(cx, "probe_read_kernel_str", into, source, user=False)


@Intrinsic
def probe_read_user_str(cx: Context, into: Any, source: Any) -> Scalar:
    """Copy a text of the current process's, as `probe_read_kernel_str` does (Linux 5.5; 4.11).

    A page that isn't in memory can't be read: the text is empty then.
    """
    return _read_text(cx, "probe_read_user_str", into, source, user=True)


def _read_text(cx: Context, helper: str, into: Any, source: Any, user: bool) -> Scalar:
    """Call a helper that copies a text; empty it when that fails."""
    if not isinstance(into, TextPlace):
        raise cx.error(f"{helper} writes to a text member of an event, not to {found(into)}")
    address = _address(cx, helper, source, user)
    place, size = into.address(cx), cx.build.const(into.size)
    length = cx.build.call(cx.helper(helper, "probe_read_str"), place, size, address)
    # One unsigned comparison catches a negative error too, and tells the verifier the range.
    failed, read, after = (cx.build.new_block(name) for name in ("unread", "read", "text"))
    local = Local("length")
    cx.build.branch("gt", length, size, failed, read)
    cx.build.enter(read)
    cx.build.set(local, length)
    cx.build.jump(after)
    cx.build.enter(failed)
    cx.build.store(place, 0, 1, cx.build.const(0))
    cx.build.set(local, cx.build.const(1))
    cx.build.jump(after)
    cx.build.enter(after)
    into.filled(cx, cx.build.get(local))
    return Scalar(cx.build.get(local), i64, into.size)


def _address(cx: Context, helper: str, source: Any, user: bool) -> Op:
    where = "user" if user else "kernel"
    if not isinstance(source, (KernelPointer, KernelMemory)):
        raise cx.error(f"{helper} reads from a pointer to {where} memory, not from {found(source)}")
    if source.user != user:
        cure = "probe_read_kernel_str reads that" if user else "probe_read_user_str reads that"
        if user:
            cure += "; if it is one of the process's, say __user in its C declaration"
        raise cx.error(f"{helper} reads {where} memory, and this is {found(source)}: {cure}")
    return source.address(cx)
