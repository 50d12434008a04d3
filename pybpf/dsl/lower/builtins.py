"""Python's builtins on kernel values, and what a probe says about the stage of a value."""

from __future__ import annotations

import ast
import functools
from typing import Any, Callable

from pybpf.codegen.ir import Local
from pybpf.dsl.context import Context
from pybpf.dsl.lower.operators import arithmetic, comparison, negative
from pybpf.dsl.types import boolean
from pybpf.dsl.values import Condition, Range, Scalar, Value, integer

__all__ = ["BUILTINS", "MOST_ROUNDS"]

# The verifier walks through every round of a loop; it gives up after a million instructions.
MOST_ROUNDS = 1 << 20


def _range(cx: Context, *args: Any) -> Range:
    """`range(stop)`, `range(start, stop)`, `range(start, stop, step)` with ends that the kernel knows."""
    if not 1 <= len(args) <= 3:
        raise cx.error(f"range takes 1 to 3 arguments, not {len(args)}")
    start, stop = (0, args[0]) if len(args) == 1 else args[:2]
    step = args[2] if len(args) == 3 else 1
    if isinstance(step, Value) or not step:
        raise cx.error("the step of a range must be known at build time, and not 0")
    far = stop if step > 0 else start
    most = far if isinstance(far, int) else far.most if isinstance(far, Scalar) else None
    if most is None or most > MOST_ROUNDS:
        raise cx.error("the verifier can't see an end to this loop; bound it, as in range(min(n, 64))")
    return Range(start, stop, step)


def _smaller(cx: Context, *args: Any) -> Any:
    return _pick(cx, ast.LtE(), args, "min")


def _larger(cx: Context, *args: Any) -> Any:
    return _pick(cx, ast.GtE(), args, "max")


def _pick(cx: Context, op: ast.cmpop, args: tuple[Any, ...], name: str) -> Any:
    if len(args) < 2:
        raise cx.error(f"{name} takes two numbers or more in a probe")
    best = args[0]
    for other in args[1:]:
        best = _better(cx, op, best, other, name)
    return best


def _better(cx: Context, op: ast.cmpop, a: Any, b: Any, name: str) -> Any:
    if isinstance(a, int) and isinstance(b, int):
        return min(a, b) if name == "min" else max(a, b)
    condition = comparison(cx, op, a, b)
    assert isinstance(condition, Condition)
    layout = next(side.layout for side in (a, b) if isinstance(side, Scalar))
    local = Local(name)
    take, after = cx.build.new_block("other"), cx.build.new_block(name)
    cx.build.set(local, integer(cx, a, layout, name))
    cx.build.branch(condition.condition, condition.a, condition.b, after, take, condition.size)
    cx.build.enter(take)
    cx.build.set(local, integer(cx, b, layout, name))
    cx.build.jump(after)
    cx.build.enter(after)
    bounds = [side if isinstance(side, int) else side.most for side in (a, b)]
    return Scalar(cx.build.get(local), layout, min(bounds) if name == "min" else max(bounds))


def _absolute(cx: Context, value: Any) -> Any:
    return _better(cx, ast.GtE(), value, negative(cx, value), "max")


def _truth(cx: Context, value: Any) -> Any:
    truth = value.truth(cx)
    if isinstance(truth, bool):
        return truth
    local = Local("bool")
    false, after = cx.build.new_block("false"), cx.build.new_block("bool")
    cx.build.set(local, cx.build.const(1))
    cx.build.branch(truth.condition, truth.a, truth.b, after, false, truth.size)
    cx.build.enter(false)
    cx.build.set(local, cx.build.const(0))
    cx.build.jump(after)
    cx.build.enter(after)
    return Scalar(cx.build.get(local), boolean)


def _whole(cx: Context, value: Any) -> Any:
    return arithmetic(cx, ast.Add(), value, 0)


def _length(cx: Context, value: Any) -> int:
    return int(value.length(cx))


def _sum(cx: Context, values: Any, start: Any = 0) -> Any:
    return functools.reduce(lambda a, b: arithmetic(cx, ast.Add(), a, b), values, start)


def _any(cx: Context, values: Any) -> Any:
    return functools.reduce(lambda a, b: _both(cx, "or", a, b), values, False)


def _all(cx: Context, values: Any) -> Any:
    return functools.reduce(lambda a, b: _both(cx, "and", a, b), values, True)


def _both(cx: Context, name: str, a: Any, b: Any) -> Any:
    """`a and b`, `a or b` of what is computed already."""
    a, b = (_truth(cx, side) if isinstance(side, Value) else bool(side) for side in (a, b))
    if isinstance(a, bool) or isinstance(b, bool):
        known, other = (a, b) if isinstance(a, bool) else (b, a)
        return other if known is (name == "and") else known
    return Scalar(cx.build.alu(name, a.op, b.op), boolean)


def _quotient(cx: Context, a: Any, b: Any) -> Any:
    return arithmetic(cx, ast.FloorDiv(), a, b), arithmetic(cx, ast.Mod(), a, b)


# What each does when at least one argument is known only to the kernel.
BUILTINS: dict[Any, Callable[..., Any]] = {
    abs: _absolute,
    all: _all,
    any: _any,
    bool: _truth,
    divmod: _quotient,
    int: _whole,
    len: _length,
    max: _larger,
    min: _smaller,
    range: _range,
    sum: _sum,
}
