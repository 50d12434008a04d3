"""Which network interfaces there are: for programs that run for packets."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from pybpf.errors import LoadError, SyscallError, near
from pybpf.link.link import Link
from pybpf.sys import Fd, command
from pybpf.uapi import bpf

__all__ = ["absent", "index", "open_link", "there"]


def _names() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


def there(names: Iterable[str]) -> set[str]:
    """Which of these interfaces the network namespace of this process has."""
    return _names().intersection(names)


def absent(name: str) -> str:
    """Why there is no such interface."""
    return f"this network namespace has no such interface{near(name, _names())}"


def index(kind: str, name: str) -> int:
    """The number of an interface. Raises LoadError (`.name` is the interface)."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        raise LoadError(f"{kind} {name}: {absent(name)}", name) from None


def open_link(kind: str, program: int, name: str, attach_type: int) -> Link:
    """A bpf_link of a program and an interface. Raises LoadError and SyscallError."""
    what = f"{kind} {name}"
    fields = {"prog_fd": program, "target_fd": index(kind, name), "attach_type": attach_type}
    try:
        number = command(bpf.BPF_LINK_CREATE, **fields)
    except SyscallError as error:
        raise error.about(what) from None
    return Link(kind, name, [Fd(number, what)])
