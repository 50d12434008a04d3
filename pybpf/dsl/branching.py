"""Small branches that helpers of the language make: a choice, a flag, a check that always holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pybpf.codegen.ir import Block, Local, Op
from pybpf.dsl.types import boolean
from pybpf.dsl.values import Condition, Scalar

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["choose", "flag", "surely"]


def choose(
    cx: Context, test: Condition, name: str, yes: Callable[[], Op], no: Callable[[], Op] | None = None
) -> Op:
    """`yes()` if the test holds, else `no()`, of which only one is run; without `no`, 0."""
    local = Local(name)
    then, otherwise, after = (cx.build.new_block(word) for word in (name, f"no_{name}", f"{name}_end"))
    cx.build.branch(test.condition, test.a, test.b, then, otherwise if no else after, test.size)
    for block, arm in ((then, yes), (otherwise, no)):
        if block.preds and arm is not None:
            cx.build.enter(block)
            cx.build.set(local, arm())
            cx.build.jump(after)
    cx.build.enter(after)
    return cx.build.get(local)


def flag(cx: Context, branch: Callable[[Block, Block], None]) -> Scalar:
    """1 or 0: which of two blocks `branch` goes to."""
    local = Local("flag")
    true, false, after = (cx.build.new_block(name) for name in ("true", "false", "flag"))
    branch(true, false)
    for block, value in ((true, 1), (false, 0)):
        if block.preds:
            cx.build.enter(block)
            cx.build.set(local, cx.build.const(value))
            cx.build.jump(after)
    cx.build.enter(after)
    return Scalar(cx.build.get(local), boolean)


def surely(cx: Context, test: Condition) -> None:
    """Go on where the test holds. It always does, but the verifier wants to see it: else the program ends."""
    holds, never = cx.build.new_block("sure"), cx.build.new_block("never")
    cx.build.branch(test.condition, test.a, test.b, holds, never, test.size)
    if never.preds:
        cx.build.enter(never)
        for state in cx.assigned:
            state.abandon(cx)
        cx.build.exit(cx.build.const(0))
    cx.build.enter(holds)
