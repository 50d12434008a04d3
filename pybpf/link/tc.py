"""tc: a program in traffic control, for each packet that comes in, or goes out, by tcx (6.6)."""

from __future__ import annotations

import errno

from pybpf.errors import SyscallError, UnsupportedFeature
from pybpf.link.interfaces import open_link
from pybpf.link.link import Link
from pybpf.uapi import bpf

__all__ = ["attach"]


def attach(program: int, symbol: str, *, egress: bool = False) -> Link:
    """Run the program (its descriptor) for each packet that comes in, after those that are there already.

    With `egress`, for each that goes out.

    Raises UnsupportedFeature, LoadError (`.name` is the interface: not there) and SyscallError.
    """
    try:
        if egress:
            return open_link("tc/egress", program, symbol, bpf.BPF_TCX_EGRESS)
        return open_link("tc", program, symbol, bpf.BPF_TCX_INGRESS)
    except SyscallError as error:
        if error.errno != errno.EINVAL:
            raise
        raise UnsupportedFeature("tcx", "6.6", "xdp, or a socket_filter, sees packets too") from None
