"""raw_tracepoint and tp_btf: a program at a tracepoint, on its arguments (4.17; with their types 5.5)."""

from __future__ import annotations

import errno
from collections.abc import Iterable

from pybpf.errors import LoadError, SyscallError, UnsupportedFeature, near_names
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


def attach(program: int, symbol: str, *, cookie: int = 0) -> Link:
    """Run the program (its descriptor) at the tracepoint of that name.

    `cookie`: what it gets by get_attach_cookie() (6.10). Raises UnsupportedFeature (a cookie), LoadError
    (`.name` is the tracepoint: not there) and SyscallError.
    """
    return open_link("raw_tracepoint", program, symbol, cookie=cookie, name=symbol.encode() + b"\0")


def attach_typed(program: int, symbol: str, *, cookie: int = 0) -> Link:
    """The same for a program whose tracepoint was settled when it was loaded (`tp_btf`)."""
    return open_link("tp_btf", program, symbol, cookie=cookie)


def open_link(
    kind: str, program: int, symbol: str, *, cookie: int = 0, attach_type: int = 0, **fields: bytes
) -> Link:
    """A link by BPF_RAW_TRACEPOINT_OPEN, which serves all programs that are attached to one known place.

    With a cookie, one whose `attach_type` is given needs BPF_LINK_CREATE (5.19), others 6.10.
    """
    what = f"{kind} {symbol}"
    try:
        if cookie and attach_type:
            number = command(
                bpf.BPF_LINK_CREATE, prog_fd=program, attach_type=attach_type, tracing_cookie=cookie
            )
        else:
            number = command(bpf.BPF_RAW_TRACEPOINT_OPEN, prog_fd=program, cookie=cookie, **fields)
    except SyscallError as error:
        if error.errno == errno.ENOENT:
            raise LoadError(f"{what}: {absent(symbol)}", symbol) from None
        if error.errno == errno.EINVAL and cookie:
            since = "5.19" if attach_type else "6.10"
            raise UnsupportedFeature(f"cookies of {kind}", since, "write a probe for each place") from None
        raise error.about(what) from None
    return Link(kind, symbol, [Fd(number, what)], cookie=cookie)
