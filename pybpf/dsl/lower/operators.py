"""Arithmetic and comparison of kernel integers.

Operands are brought to the wider of the two types; of equally wide ones, a signed and an unsigned, to the
unsigned. Results wrap around in that type. A number that is known at build time takes the other's type.
"""

from __future__ import annotations

import ast
import operator
from typing import Any, Callable

from pybpf.codegen.ir import Local, Op
from pybpf.dsl.context import Context
from pybpf.dsl.kernel import KernelPointer
from pybpf.dsl.types import boolean, i64, u64
from pybpf.dsl.values import Condition, Scalar, Value, convert, describe, integer
from pybpf.spec import Int

__all__ = ["arithmetic", "comparison", "negative", "static_comparison"]

_ALU = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.FloorDiv: "div",
    ast.Mod: "mod",
    ast.BitAnd: "and",
    ast.BitOr: "or",
    ast.BitXor: "xor",
    ast.LShift: "lsh",
    ast.RShift: "rsh",
}
_PYTHON: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.Pow: operator.pow,
    ast.Div: operator.truediv,
    ast.MatMult: operator.matmul,
}
_ABSENT: dict[type[ast.operator], str] = {
    ast.Div: "/: // divides whole numbers",
    ast.MatMult: "@",
    ast.Pow: "**: write n * n, or 1 << n for a power of two",
}
_CONDITIONS = {
    ast.Eq: "eq",
    ast.NotEq: "ne",
    ast.Lt: "lt",
    ast.LtE: "le",
    ast.Gt: "gt",
    ast.GtE: "ge",
}
_STATIC: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}


def static_comparison(cx: Context, op: ast.cmpop, a: Any, b: Any) -> bool:
    """A comparison of two values that are known at build time."""
    return bool(_computed(cx, _STATIC[type(op)], a, b))


def _computed(cx: Context, function: Callable[..., Any], *operands: Any) -> Any:
    """What Python makes of operands that are known at build time."""
    try:
        return function(*operands)
    except Exception as error:
        raise cx.error(f"this can't be computed at build time: {error}") from None


def arithmetic(cx: Context, op: ast.operator, a: Any, b: Any) -> Any:
    """`a op b`; Python's own when both are known at build time."""
    if not isinstance(a, Value) and not isinstance(b, Value):
        return _computed(cx, _PYTHON[type(op)], a, b)
    name = _ALU.get(type(op))
    if name is None:
        raise cx.error(f"a probe has no operator {_ABSENT[type(op)]}")
    shifts = isinstance(op, (ast.LShift, ast.RShift))
    layout = a.layout if shifts and isinstance(a, Scalar) else _type(cx, a, b)
    if layout is boolean:
        layout = u64
    exact = name in ("div", "mod", "rsh")
    left = _operand(cx, a, layout, "the left side", exact)
    right = _operand(cx, b, layout if not shifts else i64, "the right side", exact and not shifts)
    if layout.signed and name in ("div", "mod"):
        least = _least(op, a, b, layout)
        return Scalar(_floor(cx, name, left, right, layout), layout, _most(op, a, b, layout), least)
    if layout.signed and name == "rsh":
        name = "arsh"
    result = cx.build.alu(name, left, right, max(4, layout.size))
    if layout.size < 4 or (layout.size == 4 and layout.signed):
        result = cx.build.extend(result, layout.size, layout.signed)
    return Scalar(result, layout, _most(op, a, b, layout), _least(op, a, b, layout))


def _operand(cx: Context, value: Any, layout: Int, what: str, exact: bool) -> Op:
    """An operand, brought to the type of an operation when that needs more than its low bits."""
    if not isinstance(value, Scalar):
        return integer(cx, value, layout, what)
    converted = convert(cx, value, layout) if exact else value
    assert isinstance(converted, Scalar)
    return converted.op


def _floor(cx: Context, name: str, a: Op, b: Op, layout: Int) -> Op:
    """Signed `//` and `%`, which round down as Python's do; x // 0 is 0, and x % 0 is x.

    With s = -1 where the signs differ, else 0, a // b is ((|a| + s) / |b|) ^ s in unsigned arithmetic, but
    where a or b is 0. (|a| + s is a ^ s when b is positive.)
    """
    build = cx.build
    positive = b.kind == "const" and 0 < b.attr < 1 << 63
    sign = build.alu("arsh", a, build.const(63))
    size, divisor = build.alu("xor", a, sign), b
    if not positive:
        turned = build.alu("arsh", b, build.const(63))
        divisor = build.alu("sub", build.alu("xor", b, turned), turned)
        magnitude = build.alu("sub", size, sign)
        sign = build.alu("xor", sign, turned)
        size = build.alu("add", magnitude, sign)
    result = build.alu("xor", build.alu("div", size, divisor), sign)
    if not positive:
        quotient, zero, done = Local("quotient"), build.new_block("zero"), build.new_block("divided")
        build.set(quotient, result)
        for side in (a, b):
            other = build.new_block("divides")
            build.branch("eq", side, build.const(0), zero, other)
            build.enter(other)
        build.jump(done)
        build.enter(zero)
        build.set(quotient, build.const(0))
        build.jump(done)
        build.enter(done)
        result = build.get(quotient)
    if name == "mod":
        result = build.alu("sub", a, build.alu("mul", result, b))
    return build.extend(result, layout.size, signed=True)


def _most(op: ast.operator, a: Any, b: Any, layout: Int) -> int | None:
    """The largest result, where the operands bound it."""
    x, y = _largest(a, layout), _largest(b, layout)
    known = isinstance(b, int) and b > 0
    most = layout.maximum
    if isinstance(op, ast.BitAnd):
        most = min(y if known else most, most) if layout.signed else min(x, y)
    elif isinstance(op, ast.Mod) and known:
        most = b - 1 if layout.signed else min(x, b - 1)
    elif layout.signed:
        return None
    elif isinstance(op, ast.Add):
        most = x + y
    elif isinstance(op, ast.Mult):
        most = x * y
    elif isinstance(op, (ast.FloorDiv, ast.RShift)):
        most = x if not known else x // b if isinstance(op, ast.FloorDiv) else x >> b
    return most if most <= layout.maximum else None


def _least(op: ast.operator, a: Any, b: Any, layout: Int) -> int:
    """The smallest result: what is masked, or a remainder, isn't negative."""
    positive = [isinstance(side, int) and side > 0 for side in (a, b)]
    if (isinstance(op, ast.BitAnd) and any(positive)) or (isinstance(op, ast.Mod) and positive[1]):
        return 0
    return layout.minimum


def _largest(value: Any, layout: Int) -> int:
    """How large an operand can be, as a number of this type."""
    if isinstance(value, Scalar):
        return layout.maximum if value.layout.signed else value.most
    return value if isinstance(value, int) and value >= 0 else layout.maximum


def negative(cx: Context, value: Any) -> Any:
    """`-value`."""
    if isinstance(value, Value):
        return arithmetic(cx, ast.Sub(), 0, value)
    return _computed(cx, operator.neg, value)


def comparison(cx: Context, op: ast.cmpop, a: Any, b: Any) -> Condition | bool:
    """`a op b` as a condition for a branch."""
    name = _CONDITIONS.get(type(op))
    if isinstance(op, (ast.Is, ast.IsNot)):
        return _is_none(cx, a, b, isinstance(op, ast.IsNot))
    if name is None:
        raise cx.error("`in` looks for a key in a map, or in a tuple or list known at build time")
    if isinstance(a, KernelPointer) or isinstance(b, KernelPointer):
        return _pointers(cx, name, a, b)
    if a is None or b is None:
        raise cx.error(f"{describe(b if a is None else a)} is never None")
    layout = _type(cx, a, b, order=True)
    left = a.op if isinstance(a, Scalar) else integer(cx, a, layout, "the left side")
    right = b.op if isinstance(b, Scalar) else integer(cx, b, layout, "the right side")
    if layout.signed and name not in ("eq", "ne"):
        name = "s" + name
    return Condition(name, left, right, layout.size)


def _is_none(cx: Context, a: Any, b: Any, negated: bool) -> Condition | bool:
    """`a is None`, for what may be null; a number never is."""
    value = b if a is None else a
    if (a is None) == (b is None) or not isinstance(value, Value):
        raise cx.error("`is` compares with None in a probe; numbers are compared by ==")
    truth = value.truth(cx) if value.nullable or isinstance(value, KernelPointer) else True
    if isinstance(truth, bool):
        return truth is negated
    return truth._replace(condition="ne" if negated else "eq")


def _pointers(cx: Context, name: str, a: Any, b: Any) -> Condition:
    sides = [
        side.op if isinstance(side, KernelPointer) else cx.build.const(0) if side in (None, 0) else None
        for side in (a, b)
    ]
    left, right = sides
    if left is None or right is None or name not in ("eq", "ne"):
        raise cx.error("kernel pointers can be compared by == and != with each other and with None")
    return Condition(name, left, right)


def _type(cx: Context, a: Any, b: Any, order: bool = False) -> Int:
    """The type in which two numbers meet; to compare them, one that holds both."""
    layouts = []
    for side in (a, b):
        if isinstance(side, Scalar):
            layouts.append(side.layout)
        elif not isinstance(side, int):
            cure = side.cure() if isinstance(side, Value) else ""
            cure = ": a probe has whole numbers only" if isinstance(side, float) else cure
            raise cx.error(f"this takes numbers, and {describe(side)} is none{cure}")
    if len(layouts) == 1:
        return layouts[0]
    first, second = sorted(layouts, key=lambda layout: (layout.size, not layout.signed))
    if order and first.signed and not second.signed:
        if second.size == 8:
            raise cx.error(
                f"an {first.name} and a {second.name} can't be compared: convert one, as in {second.name}(x)"
            )
        return i64
    return second
