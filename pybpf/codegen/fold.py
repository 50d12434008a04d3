"""Arithmetic on constants, with the semantics of RFC 9669, section 4."""

from __future__ import annotations

import operator
from typing import Callable

from pybpf.codegen.ir import U64, Op, signed

__all__ = ["COMMUTATIVE", "compare", "fold_alu", "identity"]

COMMUTATIVE = frozenset({"add", "mul", "and", "or", "xor"})

_UNSIGNED: dict[str, Callable[[int, int], int]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
    "div": lambda a, b: a // b if b else 0,
    "mod": lambda a, b: a % b if b else a,
}
_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
    "set": lambda a, b: bool(a & b),
}


def _truncated(a: int, b: int) -> tuple[int, int]:
    """Quotient and remainder of a division that rounds towards zero."""
    if not b:
        return 0, a
    quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    return quotient, a - quotient * b


def fold_alu(name: str, a: int, b: int, size: int = 8) -> int:
    """The result of an operation on `size` bytes; zero-extended, 0 to 2^64-1."""
    mask = (1 << size * 8) - 1
    a, b = a & mask, b & mask
    shift = b & (size * 8 - 1)
    if name == "lsh":
        result = a << shift
    elif name == "rsh":
        result = a >> shift
    elif name == "arsh":
        result = signed(a, size) >> shift
    elif name in ("sdiv", "smod"):
        result = _truncated(signed(a, size), signed(b, size))[name == "smod"]
    else:
        result = _UNSIGNED[name](a, b)
    return result & mask


def compare(condition: str, a: int, b: int) -> bool:
    """Whether a jump on `condition` (`eq`, `sgt`, …) would be taken; 64 bits."""
    if condition[0] == "s" and condition != "set":
        return _COMPARE[condition[1:]](signed(a), signed(b))
    return _COMPARE[condition](a & U64, b & U64)


def identity(name: str, a: Op, b: Op, size: int) -> Op | None:
    """`a` when `a op b` is `a` whatever it is: adding 0, multiplying by 1, and their like."""
    if size != 8 or b.kind != "const":
        return None
    if b.attr == 0 and name in ("add", "sub", "or", "xor", "lsh", "rsh", "arsh"):
        return a
    if b.attr == 1 and name in ("mul", "div", "sdiv"):
        return a
    return a if name == "and" and b.attr == U64 else None
