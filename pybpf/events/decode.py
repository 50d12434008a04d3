"""From a record's bytes to values."""

from __future__ import annotations

import struct
from typing import Any

from pybpf.errors import BpfError
from pybpf.spec import CString, Struct

__all__ = ["Decoder"]


class Decoder:
    """Decodes records of one layout into flat tuples: one value a leaf, in the order of `names`.

    An Int is an int, a CString the bytes up to its first NUL, an Array its raw bytes. A record may be longer
    than its layout (perf pads), and shorter when it ends in a CString that was sent at its true length.
    """

    def __init__(self, layout: Struct) -> None:
        leaves = tuple(layout.leaves())
        self.layout = layout
        self.names = tuple(leaf.name for leaf in leaves)
        self._struct = struct.Struct("<" + layout.format)
        self._texts = tuple(at for at, leaf in enumerate(leaves) if isinstance(leaf.layout, CString))
        last = leaves[-1]
        self._least = last.offset + (0 if isinstance(last.layout, CString) else last.layout.size)

    def decode(self, data: bytes) -> tuple[Any, ...]:
        """Raises BpfError for a record that is too short."""
        if len(data) < self._struct.size:
            if len(data) < self._least:
                raise BpfError(
                    f"a record of {len(data)} bytes is no {self.layout.name}: expected {self._least} or more"
                )
            data = data.ljust(self._struct.size, b"\0")
        values = list(self._struct.unpack_from(data))
        for at in self._texts:
            values[at] = values[at].split(b"\0", 1)[0]
        return tuple(values)
