"""`printk("pid %u", x)`: a line in the kernel's trace buffer (`/sys/kernel/tracing/trace_pipe`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybpf.dsl.intrinsics.facts import check_caller
from pybpf.dsl.intrinsics.format import formatted
from pybpf.dsl.intrinsics.intrinsic import Function
from pybpf.dsl.intrinsics.memory import constant
from pybpf.dsl.intrinsics.prototype import prototype
from pybpf.dsl.types import i64
from pybpf.dsl.values import Scalar

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["printk"]

_MOST = 3  # MAX_TRACE_PRINTK_VARARGS, kernel/trace/bpf_trace.c


@Function
def printk(cx: Context, format: Any, *values: Any) -> Scalar:
    """Print a line to the trace buffer: for finding faults, not for events (Linux 4.1).

    At most 3 values. Numbers: `%d %u %x %c` of up to 32 bits, `%lld %llu %llx` of 64; a kernel's text by
    `%s`, a process's by `%pus`, an address by `%p`; with a width, as in `%-8d`, from Linux 5.13 on. The
    result is how many bytes were printed, or a negative error.
    """
    check_caller(cx, prototype("bpf_trace_printk"))
    operands = formatted(cx, "printk", format, values, _MOST)
    line = constant(cx, format.encode() + b"\0")
    result = cx.build.call("trace_printk", line.address, cx.build.const(line.size), *operands)
    return Scalar(result, i64)
