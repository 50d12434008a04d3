"""xdp: a program that sees each packet of an interface before the kernel does (link: 5.9)."""

from __future__ import annotations

from pybpf.link.interfaces import open_link
from pybpf.link.link import Link
from pybpf.uapi import bpf

__all__ = ["attach"]


def attach(program: int, symbol: str) -> Link:
    """Run the program (its descriptor) for each packet that comes in, in the driver or right after it.

    Raises LoadError (`.name` is the interface: not there) and SyscallError (EBUSY: another program is there).
    """
    return open_link("xdp", program, symbol, bpf.BPF_XDP)
