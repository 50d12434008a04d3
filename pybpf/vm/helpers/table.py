"""Helper functions by number and by name.

A helper is a function of the machine and its arguments (unsigned 64-bit numbers), which returns an int, or
None for 0. A negative result is an error number. A test replaces one by name:

    machine.helpers["bpf_ringbuf_output"] = lambda machine, *arguments: -errno.EAGAIN
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from pybpf.asm.helpers import helper_id, helper_name
from pybpf.uapi.helpers import PROTOTYPES
from pybpf.vm.errors import Fault

__all__ = ["Helper", "Helpers", "arity", "helper"]

Helper = Callable[..., Any]

# Those that are built in, by number.
_BUILT_IN: dict[int, Helper] = {}


def helper(function: Helper) -> Helper:
    """Decorator: the helper of the function's name."""
    _BUILT_IN[helper_id(function.__name__)] = function
    return function


class Helpers:
    """The helpers of one machine."""

    def __init__(self) -> None:
        self._by_id = dict(_BUILT_IN)

    def __setitem__(self, name: str, function: Helper) -> None:
        self._by_id[helper_id(name)] = function

    def __getitem__(self, name: str) -> Helper:
        return self.by_id(helper_id(name))

    def by_id(self, number: int) -> Helper:
        """The helper of that number; a Fault when the machine has none."""
        try:
            return self._by_id[number]
        except KeyError:
            name = helper_name(number)
            cure = f': a test can give it one, machine.helpers["{name}"] = function' if arity(number) else ""
            raise Fault(f"the machine has no helper {name}#{number}{cure}") from None


@cache
def _arities() -> tuple[int, ...]:
    counts = [0]
    for line in PROTOTYPES.splitlines():
        arguments = line.partition("(")[2].rpartition(")")[0].split(", ")
        counts.append(sum(argument not in ("void", "...") for argument in arguments))
    return tuple(counts)


def arity(number: int) -> int:
    """How many arguments a helper takes, not counting those of `...`; none when it isn't known."""
    return _arities()[number] if 0 < number < len(_arities()) else 0
