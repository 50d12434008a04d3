"""From values back to records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pybpf.spec import CString, Flat, Struct

__all__ = ["packer"]


def packer(layout: Struct) -> Callable[[tuple[Any, ...]], bytes]:
    """What makes the record that a Decoder decodes to these values: padding is zero.

    A CString at its end has its true length, with the NUL.
    """
    pack = Flat(layout).pack
    *_, last = layout.leaves()
    if not isinstance(last.layout, CString):
        return pack
    size, end = last.layout.size, last.offset

    def cut(values: tuple[Any, ...]) -> bytes:
        length = values[-1].find(b"\0", 0, size) + 1 or min(len(values[-1]) + 1, size)
        return pack(values)[: end + length]

    return cut
