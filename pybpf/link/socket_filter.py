"""socket_filter: a program on a socket that sees all packets of an interface (3.19)."""

from __future__ import annotations

import socket

from pybpf.link.interfaces import index
from pybpf.link.link import Link
from pybpf.sys import Fd, explain

__all__ = ["attach"]

_ETH_P_ALL = 3
_SO_ATTACH_BPF = 50


def attach(program: int, symbol: str) -> Link:
    """Run the program (its descriptor) for each packet that comes in or goes out, on a socket of its own.

    Nobody reads that socket: a program that returns 0 keeps it empty. Raises LoadError (`.name` is the
    interface: not there) and SyscallError.
    """
    index("socket_filter", symbol)
    what = f"socket_filter {symbol}"
    call = "socket"
    try:
        # Bound to no protocol at first, so that no packet comes before the program.
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as packets:
            call = "setsockopt(SO_ATTACH_BPF)"
            packets.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_BPF, program)
            call = "bind"
            packets.bind((symbol, _ETH_P_ALL))
            return Link("socket_filter", symbol, [], [Fd(packets.detach(), what)])
    except OSError as error:
        raise explain.error(call, error.errno or 0, ("CAP_NET_RAW",)).about(what) from None
