"""`snprintf(event.line, "pid %u", x)`: a text put together in the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybpf.dsl.branching import choose
from pybpf.dsl.intrinsics.facts import check_caller
from pybpf.dsl.intrinsics.format import formatted, row
from pybpf.dsl.intrinsics.intrinsic import Function
from pybpf.dsl.intrinsics.prototype import prototype
from pybpf.dsl.memory import zero
from pybpf.dsl.rodata import RODATA
from pybpf.dsl.text import TextPlace
from pybpf.dsl.types import i64
from pybpf.dsl.values import Condition, Scalar, describe

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["snprintf"]

_MOST = 12  # MAX_BPRINTF_VARARGS, include/linux/bpf.h


@Function
def snprintf(cx: Context, into: Any, format: Any, *values: Any) -> Scalar:
    """Write a text to a member of an event, or another text in memory (Linux 5.13).

    At most 12 values; formats are those of `printk`, with widths. The result is how long the whole text is,
    its NUL counted: more than there is room for when it was cut; or a negative error, and the text is empty.
    """
    check_caller(cx, prototype("bpf_snprintf"))
    if not isinstance(into, TextPlace):
        raise cx.error(
            f"snprintf writes to a text in memory, such as a member of an event, not to {describe(into)}"
        )
    operands = formatted(cx, "snprintf", format, values, _MOST)
    place = into.memory(cx)
    zero(cx, place, into.size if place.event is None else 1)
    given, count = row(cx, operands)
    size = cx.build.const(into.size)
    line = cx.build.map_value(RODATA, cx.rodata.text(format.encode()))
    length = cx.build.call("snprintf", place.address(cx), size, line, given, count)
    # An error is more than there is room for too.
    into.filled(cx, choose(cx, Condition("gt", length, size), "cut", lambda: size, lambda: length))
    return Scalar(length, i64)
