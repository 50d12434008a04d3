"""Text: names in fixed buffers, compared and copied as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from pybpf.codegen.ir import Block, Op
from pybpf.dsl.kernel import KernelMemory
from pybpf.dsl.values import Condition, Value

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["ConstantText", "Text", "copy_text"]


class Text(Value):
    """`size` bytes that hold a text and are zero after it.

    `fill` writes them to an address (a helper's work); `at` is an address where they already lie.
    """

    def __init__(
        self, size: int, *, at: Op | None = None, fill: Callable[[Context, Op], None] | None = None
    ) -> None:
        self.size = size
        self.at = at
        self.fill = fill

    def describe(self) -> str:
        return f"a text of {self.size} bytes"

    def address(self, cx: Context) -> Op:
        if self.at is None:
            self.at = cx.build.slot(self.size, "text")
            if self.fill is not None:
                self.fill(cx, self.at)
        return self.at

    def words(self, cx: Context) -> list[Op]:
        """The text, eight bytes at a time."""
        base = self.address(cx)
        return [cx.build.load(base, offset, 8) for offset in range(0, self.size, 8)]

    def truth(self, cx: Context) -> Condition | bool:
        return Condition("ne", cx.build.load(self.address(cx), 0, 1), cx.build.const(0), 1)

    def branch_equal(self, cx: Context, other: Any, same: Block, different: Block) -> bool:
        if isinstance(other, (str, bytes)):
            other = ConstantText(other.encode() if isinstance(other, str) else other, self.size)
        if not isinstance(other, Text):
            return False
        if self.size != other.size:
            raise cx.error(f"{self.describe()} can't be compared with {other.describe()}")
        pairs = list(zip(self.words(cx), other.words(cx)))
        for index, (mine, theirs) in enumerate(pairs):
            last = index == len(pairs) - 1
            after = same if last else cx.build.new_block("same")
            cx.build.branch("eq", mine, theirs, after, different)
            if not last:
                cx.build.enter(after)
        return True


class ConstantText(Text):
    """Text that is known at build time: true when it isn't empty."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(size)
        self.data = data.ljust(size, b"\0")

    def describe(self) -> str:
        return f"the text {self.data.rstrip(bytes(1)).decode('utf-8', 'replace')!r}"

    def words(self, cx: Context) -> list[Op]:
        return [
            cx.build.const(int.from_bytes(self.data[offset : offset + 8], "little"))
            for offset in range(0, self.size, 8)
        ]

    def address(self, cx: Context) -> Op:
        if self.at is None:
            self.at = cx.build.slot(self.size, "text")
            for index, word in enumerate(self.words(cx)):
                cx.build.store(self.at, index * 8, 8, word)
        return self.at

    def truth(self, cx: Context) -> bool:
        return any(self.data)


def copy_text(cx: Context, into: Op, size: int, value: Any, what: str) -> None:
    """Write text, or an array of the kernel's, to `size` bytes at `into`."""
    if isinstance(value, (str, bytes)):
        data = value.encode() if isinstance(value, str) else value
        if len(data) >= size:
            raise cx.error(f"{what} holds at most {size - 1} bytes; {value!r} has {len(data)}")
        value = ConstantText(data, size)
    if isinstance(value, Text) and value.size == size:
        if value.at is None and value.fill is not None:
            value.fill(cx, into)
            return
        for index, word in enumerate(value.words(cx)):
            cx.build.store(into, index * 8, 8, word)
    elif isinstance(value, KernelMemory) and value.type.resolve().kind == "array":
        have = value.type.resolve().size
        if have > size:
            raise cx.error(f"{what} holds {size} bytes, and {value.describe()} has {have}")
        cx.read_kernel(into, have, value.address(cx))
    else:
        found = value.describe() if isinstance(value, Value) else repr(value)
        raise cx.error(f"{what} is a text of {size} bytes, and can't be set to {found}")
