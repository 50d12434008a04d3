"""Formats of the kernel's printf, and the values that go with them, checked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pybpf.codegen.ir import Op
from pybpf.dsl.intrinsics.memory import memory
from pybpf.dsl.kernel import KernelMemory, KernelPointer
from pybpf.dsl.memory import stack, write
from pybpf.dsl.types import i32, i64, u32, u64
from pybpf.dsl.values import Scalar, describe
from pybpf.spec import Int

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["formatted", "row"]

# As bpf_bprintf_prepare in kernel/bpf/helpers.c reads it.
_CONVERSION = re.compile(r"%(%|[0+\- ]*[1-9]*[0-9]*(lld|lli|llu|llx|llX|ld|li|lu|lx|lX|pks|pus|[diuxXcsp])|)")
_NUMBERS = {
    **dict.fromkeys(["d", "i"], i32),
    **dict.fromkeys(["u", "x", "X", "c"], u32),
    **dict.fromkeys(["ld", "li", "lld", "lli"], i64),
    **dict.fromkeys(["lu", "lx", "lX", "llu", "llx", "llX"], u64),
}


def _count(values: Sequence[Any]) -> str:
    return f"{len(values) or 'no'} value{'s' * (len(values) != 1)}"


def _are(values: Sequence[Any]) -> str:
    return "is" if len(values) == 1 else "are"


def formatted(cx: Context, function: str, format: Any, values: Sequence[Any], most: int) -> list[Op]:
    """The values that a format wants, at most `most`. Raises LoweringError where they don't fit it."""
    if not isinstance(format, str):
        raise cx.error(f"{function} takes a format known at build time, not {describe(format)}")
    if not all(letter.isascii() and (letter.isprintable() or letter.isspace()) for letter in format):
        raise cx.error(f"{function} prints ASCII only: the kernel refuses any other letter in a format")
    wanted = []
    for match in _CONVERSION.finditer(format):
        if match[1] == "":
            raise cx.error(f"{function} has no {format[match.start() : match.start() + 2]!r}: {_KNOWN}")
        if match[1] != "%":
            wanted.append((match[0], match[2]))
    if len(wanted) != len(values):
        raise cx.error(f"this format takes {_count(wanted)}, and there {_are(values)} {_count(values)}")
    if len(values) > most:
        raise cx.error(f"{function} prints at most {most} values: print twice, or send an event")
    return [_operand(cx, text, kind, value) for (text, kind), value in zip(wanted, values)]


def row(cx: Context, operands: Sequence[Op]) -> tuple[Op, Op]:
    """Values side by side in memory: the address, 0 when there are none, and the size."""
    if not operands:
        return cx.build.const(0), cx.build.const(0)
    place = stack(cx, 8 * len(operands), "values")
    for index, operand in enumerate(operands):
        write(cx, place.part(8 * index, f"[{index}]"), 8, operand)
    return place.base, cx.build.const(8 * len(operands))


_KNOWN = "it has %d %u %x %c, %lld %llu %llx, %s %pus and %p; %% is a percent sign"


def _operand(cx: Context, text: str, kind: str, value: Any) -> Op:
    if kind in _NUMBERS:
        return _number(cx, text, _NUMBERS[kind], value)
    if kind == "p" and isinstance(value, Scalar):
        return value.op
    if isinstance(value, (KernelPointer, KernelMemory)) and (kind == "p" or value.user == (kind == "pus")):
        return value.address(cx)
    lies = memory(cx, value) if kind in ("s", "pks") and not isinstance(value, (str, bytes)) else None
    if lies is None:
        what = {"p": "a pointer", "pus": "a pointer to a text of the process's"}.get(
            kind, "a text of the kernel's"
        )
        raise cx.error(f"{text} prints {what}, not {describe(value)}")
    return lies.address


def _number(cx: Context, text: str, layout: Int, value: Any) -> Op:
    have = value.layout if isinstance(value, Scalar) else None
    low, high = (value.least, value.most) if isinstance(value, Scalar) else (value, value)
    if have is None and (isinstance(value, bool) or not isinstance(value, int)):
        raise cx.error(f"{text} prints a number, not {describe(value)}")
    if not (layout.minimum <= low and high <= layout.maximum):
        fits = "lld" if low < 0 and (low < -(1 << 31) or high >= 1 << 31) else "d" if low < 0 else "llu"
        fits = "u" if fits == "llu" and high < 1 << 32 else fits
        what = f"every {have.name}" if have else str(value)
        raise cx.error(f"{text} can't print {what}: write %{fits}")
    return value.op if isinstance(value, Scalar) else cx.build.const(value)
