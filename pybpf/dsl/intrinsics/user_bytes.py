"""So many bytes of a process's memory as a text, whatever is among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybpf.codegen.ir import Op
from pybpf.dsl.branching import choose
from pybpf.dsl.intrinsics.intrinsic import Intrinsic
from pybpf.dsl.kernel import KernelMemory, KernelPointer
from pybpf.dsl.memory import Memory
from pybpf.dsl.text import Unsized
from pybpf.dsl.types import u64
from pybpf.dsl.values import Condition, Scalar, Value, describe, integer

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["ubytes"]


class _Bytes(Unsized):
    """`number` bytes at an address of the process's."""

    def __init__(self, address: Op, number: Op, most: int) -> None:
        self.address = address
        self.number = number
        self.most = most
        self.parts = (address, number)

    def describe(self) -> str:
        return "bytes in user memory"

    def rebuild(self, parts: Any) -> Value:
        return _Bytes(parts[0], parts[1], self.most)

    def read_into(self, cx: Context, into: Memory, size: int) -> Op:
        """Copy them, and a NUL behind them; when that fails it is an empty text."""
        if self.most >= size:
            raise cx.error(
                f"this text has room for {size - 1} bytes and a NUL, and may get {self.most}: bound the"
                f" number, as in ubytes(p, min(n, {size - 1}))"
            )
        helper = cx.helper("probe_read_user", "probe_read")
        place = into.address(cx)
        result = cx.build.call(helper, place, self.number, self.address)
        failed = Condition("ne", result, cx.build.const(0))
        length = choose(cx, failed, "unread", lambda: cx.build.const(0), lambda: self.number)
        cx.build.store(cx.build.alu("add", place, length), 0, 1, cx.build.const(0))
        return cx.build.alu("add", length, cx.build.const(1))


@Intrinsic
def ubytes(cx: Context, pointer: Any, number: Any) -> Value:
    """`number` bytes of the current process's, for a text member: `event.args = ubytes(p, min(n, 255))`.

    As `ustr`, but with the NULs among them. It is empty when a page of them isn't in memory.
    """
    if not isinstance(pointer, (KernelPointer, KernelMemory)) or not pointer.user:
        cure = ': say __user in its C declaration, as in cast(p, "char __user *")'
        raise cx.error(f"ubytes reads from a pointer to user memory, not from {describe(pointer)}{cure}")
    most = number.most if isinstance(number, Scalar) else number
    return _Bytes(pointer.address(cx), integer(cx, number, u64, "the number of ubytes"), most)
