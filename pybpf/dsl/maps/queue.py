"""Queues and stacks: values without keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybpf.codegen.ir import Op
from pybpf.dsl.branching import choose
from pybpf.dsl.maps.map import Map
from pybpf.dsl.maybe import Maybe
from pybpf.dsl.memory import stack
from pybpf.dsl.method import method
from pybpf.dsl.places import load, place_of
from pybpf.dsl.types import layout_of
from pybpf.dsl.values import Scalar
from pybpf.spec import MapSpec
from pybpf.uapi import bpf

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["Queue", "Stack"]


class Queue(Map):
    """`BPF_MAP_TYPE_QUEUE` (Linux 4.20): `pop` takes what was pushed first."""

    type = bpf.BPF_MAP_TYPE_QUEUE

    def __init__(self, name: str, value: Any, max_entries: int, flags: int = 0) -> None:
        super().__init__(name, flags)
        self.value = layout_of(value, {}, f"the value of {name}")
        self.max_entries = self.room(max_entries)

    def specs(self, buffer: str) -> list[MapSpec]:
        return self.spec(None, self.value, self.max_entries)

    @method
    def push(self, cx: Context, value: Any, replace: Any = False) -> Scalar:
        """Put a value in: 0, or -7 (E2BIG) when it is full; with `replace` the oldest gives way."""
        if not isinstance(replace, bool):
            raise cx.error("replace must be known at build time: True or False")
        place = place_of(cx, self.value, value, f"the value of {self.name}").address(cx)
        flags = cx.build.const(bpf.BPF_EXIST if replace else bpf.BPF_ANY)
        return self.failure(cx, cx.build.call("map_push_elem", self.op(cx), place, flags))

    @method
    def pop(self, cx: Context) -> Maybe:
        """Take a value out; None when there is none."""
        return self._take(cx, "map_pop_elem")

    @method
    def peek(self, cx: Context) -> Maybe:
        """The value that `pop` would take, as a copy; None when there is none."""
        return self._take(cx, "map_peek_elem")

    def _take(self, cx: Context, helper: str) -> Maybe:
        place = stack(cx, self.value.size, f"a value of {self.name}")
        failed = cx.build.call(helper, self.op(cx), place.base)

        def present() -> Op:
            return cx.build.const(1)

        there = choose(cx, self.worked(cx, failed), "present", present)
        return Maybe(load(cx, place, self.value), there)


class Stack(Queue):
    """`BPF_MAP_TYPE_STACK` (Linux 4.20): `pop` takes what was pushed last."""

    type = bpf.BPF_MAP_TYPE_STACK
