"""Keys and values of a map between Python and bytes, by their layouts."""

from __future__ import annotations

import struct
from typing import Any

from pybpf.errors import UsageError
from pybpf.spec import Array, CString, Flat, Int, Layout, Struct

__all__ = ["Codec"]

_BYTE = Int("u8", 1)


class Codec:
    """An Int is an int, a Struct the flat tuple of its leaves, and all else, or what has no layout, bytes."""

    __slots__ = ("_flat", "_layout", "_values", "size")

    def __init__(self, layout: Layout | None, size: int) -> None:
        self.size = size
        self._layout = layout
        self._flat = isinstance(layout, Struct)
        self._values = Flat(layout or Array(_BYTE, size))

    def pack(self, value: Any) -> bytes:
        """Bytes of `value`; UsageError when it doesn't fit."""
        if isinstance(self._layout, (Int, Struct)):
            try:
                return self._values.pack(value if self._flat else (value,))
            except struct.error as error:
                raise UsageError(f"{value!r} is no {self._layout.name}: {error}") from None
        if len(value) > self.size or (len(value) < self.size and not isinstance(self._layout, CString)):
            raise UsageError(f"{len(value)} bytes, expected {self.size}")
        return self._values.pack((value,))

    def unpack(self, data: bytes) -> Any:
        values = self._values.unpack(data)
        if self._flat:
            return values
        return values[0].split(b"\0")[0] if isinstance(self._layout, CString) else values[0]
