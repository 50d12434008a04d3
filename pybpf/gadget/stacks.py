"""Stack traces with names: of the kernel's functions, and of those of programs and libraries."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable

from pybpf.elf.symbols import Symbols, symbols_of
from pybpf.errors import UsageError
from pybpf.maps import Map
from pybpf.spec import Int
from pybpf.sys import kallsyms, processes

__all__ = ["KernelStack", "Stacks", "UserStack"]

# The number of a stack trace, as `StackTrace.kernel_stack()` and `user_stack()` give it.
KernelStack = Int("kernel_stack", 4, signed=True, role="kernel_stack")
UserStack = Int("user_stack", 4, signed=True, role="user_stack")

_COLLISION = -17  # EEXIST: another trace has its place


class Stacks:
    """Names the addresses of the traces in a map; user addresses by what `note` saw of their processes."""

    def __init__(self, traces: Map) -> None:
        self._traces = traces
        self._mappings: dict[int, list[processes.Mapping]] = {}

    def note(self, pids: Iterable[int]) -> None:
        """Keep what lies where in those processes: once they are gone, it can't be found out any more."""
        for pid in pids:
            if pid not in self._mappings:
                found = processes.mappings(pid)
                if found:
                    self._mappings[pid] = found

    def kernel(self, number: int) -> list[str]:
        """The functions of a kernel trace, outermost first."""
        return [kallsyms.nearest(each) or f"{each:#x}" for each in self._addresses(number)] or _lost(number)

    def user(self, number: int, pid: int) -> list[str]:
        """The functions of a process's trace, outermost first."""
        return [self._name(each, pid) for each in self._addresses(number)] or _lost(number)

    def _addresses(self, number: int) -> list[int]:
        if number < 0:
            return []
        value = self._traces.lookup(number.to_bytes(4, "little")) or b""
        found = (int.from_bytes(value[at : at + 8], "little") for at in range(0, len(value), 8))
        return [address for address in found if address][::-1]

    def _name(self, address: int, pid: int) -> str:
        for start, end, offset, path in self._mappings.get(pid, ()):
            if start <= address < end:
                symbols = _symbols(path)
                found = symbols.at(address - start + offset) if symbols else None
                return found.name if found else f"[{os.path.basename(path).strip('[]') or 'no file'}]"
        return "[unknown]"


def _lost(number: int) -> list[str]:
    """What stands for a trace that isn't there: nothing if there was none."""
    return ["[not kept]"] if number == _COLLISION else []


@functools.lru_cache(maxsize=256)
def _symbols(path: str) -> Symbols | None:
    if not path.startswith("/"):
        return None
    try:
        return symbols_of(path)
    except (UsageError, OSError):
        return None
