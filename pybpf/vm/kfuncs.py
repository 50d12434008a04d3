"""Kernel functions that programs may call (kfuncs), by name; a test adds or replaces them.

machine.kernel_functions["bpf_rcu_read_lock"] = lambda machine, *arguments: None
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pybpf.vm.errors import Fault

if TYPE_CHECKING:
    from pybpf.vm.machine import Machine

__all__ = ["KernelFunctions"]

Function = Callable[..., Any]


def _nothing(machine: Machine, *arguments: int) -> None:
    """Locks and the like, which one program alone does not need."""


def _iter_num_new(machine: Machine, iterator: int, start: int, end: int, *_: int) -> int:
    """`struct bpf_iter_num`: here the next number and the end, 4 bytes each."""
    low, high = _signed(start), _signed(end)
    error = -errno.EINVAL if low > high else -errno.E2BIG if high - low > 1 << 23 else 0
    machine.memory.store(iterator, 4, 0 if error else low)
    machine.memory.store(iterator + 4, 4, 0 if error else high)
    return error


def _iter_num_next(machine: Machine, iterator: int, *_: int) -> int:
    """The address of the number, or 0 at the end."""
    memory = machine.memory
    now, end = _signed(memory.load(iterator, 4)), _signed(memory.load(iterator + 4, 4))
    if now >= end:
        return 0
    memory.store(iterator, 4, now + 1)
    return machine.kernel.buffer((now & 0xFFFF_FFFF).to_bytes(4, "little"))


def _rdonly_cast(machine: Machine, address: int, *_: int) -> int:
    """The address itself. Unlike the kernel's, a load from where nothing is fails here."""
    return address


def _signed(number: int) -> int:
    return (number & 0xFFFF_FFFF ^ 0x8000_0000) - 0x8000_0000


_BUILT_IN: dict[str, Function] = {
    "bpf_iter_num_destroy": _nothing,
    "bpf_iter_num_new": _iter_num_new,
    "bpf_iter_num_next": _iter_num_next,
    "bpf_preempt_disable": _nothing,
    "bpf_preempt_enable": _nothing,
    "bpf_rcu_read_lock": _nothing,
    "bpf_rcu_read_unlock": _nothing,
    "bpf_rdonly_cast": _rdonly_cast,
}


class KernelFunctions:
    """Those of one machine. A call has a number in place of the name, as with a kernel's BTF ids."""

    def __init__(self) -> None:
        self._by_name = dict(_BUILT_IN)
        self._names: list[str] = []

    def __setitem__(self, name: str, function: Function) -> None:
        self._by_name[name] = function

    def __getitem__(self, name: str) -> Function:
        return self._by_name[name]

    def number(self, name: str) -> int:
        """What stands for `name` in a call."""
        if name not in self._names:
            self._names.append(name)
        return self._names.index(name)

    def by_number(self, number: int) -> Function:
        """The function to call; a Fault when the machine has none of that name."""
        name = self._names[number] if 0 <= number < len(self._names) else f"#{number}"
        if name not in self._by_name:
            raise Fault(f"the machine has no kernel function {name}")
        return self._by_name[name]
