"""Addresses of the network, as gadgets show them."""

from __future__ import annotations

from pybpf.spec import Array, Int

__all__ = ["Address", "IpAddress", "address_text"]

_MAPPED = bytes(10) + b"\xff\xff"


class Address(Array):
    """16 bytes: an IPv6 address, or an IPv4 address mapped into IPv6 (`::ffff:192.0.2.1`, RFC 4291)."""

    def __init__(self) -> None:
        super().__init__(Int("u8", 1), 16)
        self.name = "IpAddress"


IpAddress = Address()


def address_text(data: bytes) -> str:
    """`192.0.2.1`, `2001:db8::1`."""
    import socket

    if data.startswith(_MAPPED):
        return socket.inet_ntop(socket.AF_INET, data[len(_MAPPED) :])
    return socket.inet_ntop(socket.AF_INET6, data)
