"""Dynptrs: handles of memory whose size only the kernel knows (Linux 5.19).

    record = bpf_dynptr()
    ringbuf_reserve_dynptr(ring, 8 + length, 0, record)
    dynptr_write(record, 0, header, 0)
    ringbuf_submit_dynptr(record, 0)

What `ringbuf_reserve_dynptr` reserves, even if that fails, has to be submitted or discarded on every path.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pybpf.codegen.ir import Op
from pybpf.dsl.intrinsics.intrinsic import Intrinsic
from pybpf.dsl.maybe import Maybe
from pybpf.dsl.memory import Memory, PathState
from pybpf.dsl.text import Bytes
from pybpf.dsl.values import Value, describe

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["Dynptr", "bpf_dynptr", "data_of", "handle", "initialised"]

# What holds of a dynptr on every path: it was set and can be used; nothing is reserved by it.
_READY, _FREE = "ready", "free"
_NEW = frozenset([_FREE])
_MAKERS = {"ringbuf_reserve_dynptr": frozenset([_READY]), "dynptr_from_mem": frozenset([_READY, _FREE])}
_ENDS = ("ringbuf_submit_dynptr", "ringbuf_discard_dynptr")


class _State(PathState):
    """What was done to one dynptr."""

    absent = _NEW

    def __init__(self, cx: Context) -> None:
        self.slot = cx.build.slot(16, "dynptr")
        cx.assigned[self] = _NEW

    def check_end(self, cx: Context, known: frozenset[str]) -> None:
        if _FREE not in known:
            raise cx.error(
                "a dynptr's record is reserved when the program ends here: call ringbuf_submit_dynptr or"
                " ringbuf_discard_dynptr first, on every path"
            )

    def abandon(self, cx: Context) -> None:
        if _FREE not in cx.assigned[self]:
            cx.build.call("ringbuf_discard_dynptr", self.slot, cx.build.const(0))


class Dynptr(Value):
    """A dynptr, in the stack frame."""

    def __init__(self, state: _State, slot: Op) -> None:
        self.state = state
        self.parts = (slot,)

    def describe(self) -> str:
        return "a dynptr"

    def same_kind(self, other: Value) -> bool:
        return isinstance(other, Dynptr) and other.state is self.state

    def rebuild(self, parts: Sequence[Op]) -> Value:
        return Dynptr(self.state, parts[0])


@Intrinsic
def bpf_dynptr(cx: Context) -> Dynptr:
    """Room for a dynptr, which a helper such as `dynptr_from_mem` makes one of."""
    state = _State(cx)
    return Dynptr(state, state.slot)


def handle(cx: Context, helper: str, dynptr: Dynptr) -> Op:
    """A dynptr as an argument of a helper. Raises LoweringError when it isn't what the helper needs."""
    known = cx.assigned[dynptr.state]
    if helper in _MAKERS:
        initialised(cx, dynptr, _MAKERS[helper])
    elif _READY not in known:
        raise cx.error(
            f"this dynptr is not set on every path to here: {' or '.join(_MAKERS)} does that, until it is"
            " submitted or discarded"
        )
    elif helper in _ENDS:
        if _FREE in known:
            raise cx.error(
                f"{helper} takes what ringbuf_reserve_dynptr reserved, and this dynptr is of memory"
            )
        cx.assigned[dynptr.state] = _NEW
    return dynptr.parts[0]


def initialised(cx: Context, dynptr: Dynptr, known: frozenset[str] = _MAKERS["dynptr_from_mem"]) -> Op:
    """A dynptr that a function sets."""
    if cx.assigned[dynptr.state] != _NEW:
        raise cx.error("this dynptr is in use already: make another by bpf_dynptr()")
    cx.assigned[dynptr.state] = known
    return dynptr.parts[0]


def data_of(cx: Context, result: Op, length: Any) -> Maybe:
    """What `dynptr_data` gives: `length` bytes, or None when there are no so many."""
    if isinstance(length, bool) or not isinstance(length, int) or length < 1:
        raise cx.error(
            f"len of dynptr_data is a number from 1 on, known at build time, not {describe(length)}"
        )
    return Maybe(Bytes(length, Memory(result)), result)
