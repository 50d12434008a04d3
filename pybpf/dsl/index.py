"""Indices and slices: constants are checked at build time, kernel values by what they can be at most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybpf.codegen.ir import Local, Op
from pybpf.dsl.branching import surely
from pybpf.dsl.memory import Memory
from pybpf.dsl.values import Condition, Scalar, Value, describe

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["bounded", "element", "position", "span"]


def position(cx: Context, key: Any, count: int, owner: Value) -> int | Scalar:
    """An index of one of `count` elements: an int from 0 on, or a Scalar that isn't negative."""
    if isinstance(key, int):
        if not -count <= key < count:
            raise cx.error(f"there is no element {int(key)}: {owner.describe()} has {count}")
        return int(key) % count
    if not isinstance(key, Scalar):
        raise cx.error(f"an index is a number, not {describe(key)}")
    if key.least < 0:
        word = f"u{key.layout.size * 8}"
        raise cx.error(f"this index, {key.describe()}, may be negative: convert it, as in {word}(...)")
    return key


def bounded(cx: Context, index: Scalar, count: int) -> Op:
    """The register of an index that is less than `count`, where the verifier sees that too."""
    if not _visible(index.op, count):
        surely(cx, Condition("lt", index.op, cx.build.const(count)))
    return index.op


def _visible(op: Op, count: int) -> bool:
    """Whether the way a number was made tells the verifier that it's less than `count`."""
    if op.kind == "alu" and op.attr == "and" and op.args[1].kind == "const":
        return bool(op.args[1].attr < count)
    narrow = op.kind == "zext" or (op.kind == "load" and not op.attr)
    return narrow and op.size < 8 and 1 << op.size * 8 <= count


def element(cx: Context, place: Memory, key: Any, count: int, size: int, owner: Value) -> Memory:
    """Where the element at an index lies, of `count` that are `size` bytes each."""
    index = position(cx, key, count, owner)
    if isinstance(index, int):
        return place.part(index * size, f"[{index}]")
    if index.most >= count:
        raise cx.error(
            f"this index may be as large as {index.most}, and {owner.describe()} has {count} elements: bound"
            f" it, as in min(i, {count - 1})"
        )
    align = min(place.align, size & -size)
    if place.on_stack and "stack_index" not in cx.target.features:
        base = _one_of(cx, place, index.op, count, size)
        return place._replace(base=base, offset=0, align=align, path=f"{place.path}[i]")
    offset = cx.build.alu("mul", bounded(cx, index, count), cx.build.const(size))
    base = cx.build.alu("add", place.base, offset)
    return place._replace(base=base, align=align, path=f"{place.path}[i]")


def _one_of(cx: Context, place: Memory, index: Op, count: int, size: int) -> Op:
    """The address of an element of an array on the stack, where the verifier wants to know each offset."""
    local = Local("element")
    after = cx.build.new_block("element")
    for number in range(count):
        here, more = cx.build.new_block("here"), cx.build.new_block("more")
        if number < count - 1:
            cx.build.branch("eq", index, cx.build.const(number), here, more)
            cx.build.enter(here)
        cx.build.set(local, cx.build.address(place.base, place.offset + number * size))
        cx.build.jump(after)
        cx.build.enter(more if number < count - 1 else after)
    return cx.build.get(local)


def span(cx: Context, key: slice, count: int, owner: Value) -> tuple[int, int]:
    """Start and end of a slice that is known at build time."""
    ends = (key.start, key.stop, key.step)
    if any(isinstance(end, Value) for end in ends):
        raise cx.error("the ends of a slice must be known at build time")
    if key.step not in (None, 1):
        raise cx.error(f"a slice takes what lies together: it has no step {key.step}")
    start, stop, _ = key.indices(count)
    asked = [end for end in ends[:2] if end is not None]
    if any(not -count <= end <= count for end in asked) or start >= stop:
        text = ":".join("" if end is None else str(end) for end in (key.start, key.stop))
        raise cx.error(f"there is nothing at [{text}]: {owner.describe()} has {count} elements")
    return start, stop
