"""Counts by stack traces, folded: a line a stack, as flame graphs are made from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from pybpf.errors import UsageError
from pybpf.events.decode import text
from pybpf.gadget.stacks import Stacks
from pybpf.gadget.text import escape
from pybpf.maps import Map
from pybpf.spec import Flat, Int, Struct

__all__ = ["Folded", "Stack", "as_json", "fold"]


class Stack(NamedTuple):
    """A stack, outermost first: the program, its functions, then the kernel's; seen so many `times`."""

    frames: tuple[str, ...]
    times: int


class Folded:
    """Reads a map of counts by a record that has the members `comm`, `pid`, and stacks.

    Stacks are members of the types UserStack and KernelStack; `traces` is the map that has them.
    """

    def __init__(self, counts: Map, traces: Map) -> None:
        self._counts = counts
        self._stacks = Stacks(traces)
        layout = counts.spec.key
        if not isinstance(layout, Struct):
            raise UsageError(f"{counts.spec.name} can't be shown: it counts by no record with stacks")
        self._keys = Flat(layout)
        self._members = {_role(leaf.layout) or leaf.name: at for at, leaf in enumerate(layout.leaves())}
        missing = {"comm", "pid"} - self._members.keys()
        if missing:
            raise UsageError(
                f"{layout.name} has no {' and no '.join(sorted(missing))}: stacks are shown with these"
            )

    def note(self) -> None:
        """See which processes were met, while they still run."""
        pid = self._members["pid"]
        self._stacks.note({self._keys.unpack(key)[pid] for key, _ in self._counts.items()})

    def read(self) -> list[Stack]:
        """All stacks, sorted by their frames."""
        self.note()
        found: Counter[tuple[str, ...]] = Counter()
        for key, value in self._counts.items():
            found[tuple(self._frames(self._keys.unpack(key)))] += int.from_bytes(value, "little")
        return [Stack(frames, count) for frames, count in sorted(found.items())]

    def _frames(self, values: tuple[Any, ...]) -> Iterator[str]:
        yield text(values[self._members["comm"]])
        if "user_stack" in self._members:
            yield from self._stacks.user(values[self._members["user_stack"]], values[self._members["pid"]])
        if "kernel_stack" in self._members:
            names = self._stacks.kernel(values[self._members["kernel_stack"]])
            yield from (f"{name}_[k]" for name in names)


def _role(layout: Any) -> str:
    return layout.role if isinstance(layout, Int) else ""


def fold(stack: Stack) -> str:
    """`program;function;function_[k] 12`: the form of flamegraph.pl's input."""
    return f"{';'.join(escape(frame).replace(';', ':') for frame in stack.frames)} {stack.times}\n"


def as_json(stack: Stack) -> str:
    """The same as a line of JSON."""
    return json.dumps({"count": stack.times, "stack": stack.frames}, sort_keys=True) + "\n"
