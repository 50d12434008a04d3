"""Texts in the memory of the kernel and of processes, copied into a text of the program's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybpf.codegen.ir import Op
from pybpf.dsl.branching import choose
from pybpf.dsl.intrinsics.intrinsic import Intrinsic
from pybpf.dsl.kernel import KernelMemory, KernelPointer
from pybpf.dsl.memory import Memory, zero
from pybpf.dsl.text import Text, TextPlace, Unsized
from pybpf.dsl.types import i64
from pybpf.dsl.values import Condition, Scalar, Value, describe

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["kstr", "probe_read_kernel_str", "probe_read_user_str", "ustr"]


class _ForeignText(Unsized):
    """A text at an address of the kernel's or of a process's."""

    def __init__(self, helper: str, address: Op) -> None:
        self.helper = helper
        self.address = address
        self.parts = (address,)

    def describe(self) -> str:
        return "a text in user memory" if "user" in self.helper else "a text in kernel memory"

    def rebuild(self, parts: Any) -> Value:
        return _ForeignText(self.helper, parts[0])

    def read_into(self, cx: Context, into: Memory, size: int) -> Op:
        """Call the helper that copies it, or zeros when it can't: an empty text. What is too long is cut."""
        most, place = cx.build.const(size), into.address(cx)
        length = cx.build.call(cx.helper(self.helper, "probe_read_str"), place, most, self.address)
        # One unsigned comparison catches a negative error too, and tells the verifier the range.
        unread = Condition("gt", length, most)
        return choose(cx, unread, "unread", lambda: cx.build.const(1), lambda: length)


@Intrinsic
def kstr(cx: Context, pointer: Any, size: Any = None) -> Value:
    """The text of the kernel's that a pointer leads to: `event.name = kstr(dentry.d_name.name)`.

    It is cut where the place that it's put in ends; one that can't be read is empty. With a `size`, which
    counts the NUL, it is a text of that size that can be compared: `kstr(p, 16) == "nginx"`.
    """
    return _text(cx, "kstr", pointer, size)


@Intrinsic
def ustr(cx: Context, pointer: Any, size: Any = None) -> Value:
    """The text of the current process's that a pointer leads to, as `kstr`.

    A page that isn't in memory at the moment can't be read: the text is empty then.
    """
    return _text(cx, "ustr", pointer, size)


@Intrinsic
def probe_read_kernel_str(cx: Context, into: Any, source: Any) -> Scalar:
    """Copy a text of the kernel's into a text member; how many bytes it took, its NUL among them.

    A text that can't be read is empty, and one that is too long is cut. Linux 5.5; `probe_read_str` (4.11)
    serves before.
    """
    return _read(cx, "probe_read_kernel_str", into, source)


@Intrinsic
def probe_read_user_str(cx: Context, into: Any, source: Any) -> Scalar:
    """Copy a text of the current process's, as `probe_read_kernel_str` does (Linux 5.5; 4.11).

    A page that isn't in memory can't be read: the text is empty then.
    """
    return _read(cx, "probe_read_user_str", into, source)


def _read(cx: Context, helper: str, into: Any, source: Any) -> Scalar:
    if not isinstance(into, TextPlace):
        raise cx.error(f"{helper} writes to a text member of an event, not to {describe(into)}")
    text = _ForeignText(helper, _address(cx, helper, source))
    length = text.read_into(cx, into.memory(cx), into.size)
    into.filled(cx, length)
    return Scalar(length, i64, into.size)


def _text(cx: Context, function: str, pointer: Any, size: Any) -> Value:
    helper = "probe_read_user_str" if function == "ustr" else "probe_read_kernel_str"
    text = _ForeignText(helper, _address(cx, function, pointer))
    if size is None:
        return text
    if isinstance(size, bool) or not isinstance(size, int) or not 0 < size <= 256:
        raise cx.error(
            f"the size of {function} is a number from 1 to 256, known at build time, not {describe(size)}"
        )

    def fill(cx: Context, into: Op) -> None:
        zero(cx, Memory(into), size)
        text.read_into(cx, Memory(into), size)

    return Text(size, fill=fill)


def _address(cx: Context, function: str, source: Any) -> Op:
    user = function in ("ustr", "probe_read_user_str")
    where = "user" if user else "kernel"
    if not isinstance(source, (KernelPointer, KernelMemory)):
        raise cx.error(f"{function} reads from a pointer to {where} memory, not from {describe(source)}")
    if source.user != user:
        other = {"ustr": "kstr", "kstr": "ustr"}.get(function)
        other = other or f"probe_read_{'kernel' if user else 'user'}_str"
        cure = "; if it is one of the process's, say __user in its C declaration" if user else ""
        raise cx.error(
            f"{function} reads {where} memory, and this is {describe(source)}: {other} reads that{cure}"
        )
    return source.address(cx)
