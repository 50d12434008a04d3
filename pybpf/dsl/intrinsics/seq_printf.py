"""`seq_printf(ctx.meta.seq, "%d %s\\n", x, text)`: a line of what an iterator writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybpf.dsl.intrinsics.facts import check_caller
from pybpf.dsl.intrinsics.format import formatted, row
from pybpf.dsl.intrinsics.intrinsic import Function
from pybpf.dsl.intrinsics.memory import constant
from pybpf.dsl.intrinsics.prototype import prototype
from pybpf.dsl.kernel import KernelPointer
from pybpf.dsl.types import i64
from pybpf.dsl.values import Scalar, describe

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["seq_printf"]

_MOST = 12  # MAX_SEQ_PRINTF_VARARGS, kernel/trace/bpf_trace.c


@Function
def seq_printf(cx: Context, seq: Any, format: Any, *values: Any) -> Scalar:
    """Write a text to the file that an iterator is read as (Linux 5.8).

    At most 12 values; formats are those of `printk`, with widths. The result is 0, or a negative error when
    there is no more room: the kernel makes some, and has the program run again for this object.
    """
    check_caller(cx, prototype("bpf_seq_printf"))
    if not isinstance(seq, KernelPointer) or not seq.given or seq.target.resolve().key != "struct seq_file":
        raise cx.error(f"seq_printf writes to ctx.meta.seq of an iterator, not to {describe(seq)}")
    operands = formatted(cx, "seq_printf", format, values, _MOST)
    line = constant(cx, format.encode() + b"\0")
    size = cx.build.const(line.size)
    result = cx.build.call("seq_printf", seq.op, line.address, size, *row(cx, operands))
    return Scalar(result, i64)
