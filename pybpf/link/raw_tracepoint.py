"""raw_tracepoint and tp_btf: a program at a tracepoint, on its arguments (4.17; with their types 5.5)."""

from __future__ import annotations

import errno
from collections.abc import Iterable

from pybpf.errors import LoadError, SyscallError, near_names
from pybpf.link.link import Link
from pybpf.sys import Fd, command, kallsyms
from pybpf.uapi import bpf

__all__ = ["absent", "attach", "attach_typed", "there"]

# The kernel has a function of this name for each tracepoint (since 5.10).
_ITERATOR = "__traceiter_"


def there(names: Iterable[str]) -> set[str]:
    """Which of these tracepoints, by name alone, the kernel and its modules have."""
    return {name[len(_ITERATOR) :] for name in kallsyms.find(_ITERATOR + name for name in names)}


def absent(name: str) -> str:
    """Why there is no such tracepoint."""
    known = (each[len(_ITERATOR) :] for each in kallsyms.starting_with(_ITERATOR))
    near = " or ".join(near_names(name, known))
    return f"this kernel has no such tracepoint{f' (did you mean {near}?)' if near else ''}"


def attach(program: int, symbol: str) -> Link:
    """Run the program (its descriptor) at the tracepoint of that name.

    Raises LoadError (`.name` is the tracepoint: not there) and SyscallError.
    """
    return open_link("raw_tracepoint", program, symbol, name=symbol.encode() + b"\0")


def attach_typed(program: int, symbol: str) -> Link:
    """The same for a program whose tracepoint was settled when it was loaded (`tp_btf`)."""
    return open_link("tp_btf", program, symbol)


def open_link(kind: str, program: int, symbol: str, **fields: bytes) -> Link:
    """A link by BPF_RAW_TRACEPOINT_OPEN, which serves all programs that are attached to one known place."""
    what = f"{kind} {symbol}"
    try:
        number = command(bpf.BPF_RAW_TRACEPOINT_OPEN, prog_fd=program, **fields)
    except SyscallError as error:
        if error.errno == errno.ENOENT:
            raise LoadError(f"{what}: {absent(symbol)}", symbol) from None
        raise SyscallError(error.call, error.errno or 0, f"{what}: {error.why}".rstrip(": ")) from None
    return Link(kind, symbol, [Fd(number, what)])
