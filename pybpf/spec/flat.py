"""Bytes of a layout as a flat tuple of its leaves, and back: what readers decode with."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from pybpf.spec.layout import Bits, Field, Layout, Struct

__all__ = ["Flat"]


class Flat:
    """`unpack` gives a value for each leaf of a struct (of another layout one): an int, or bytes.

    `pack` takes them. `size` is in bytes; longer data may be given. Raises struct.error for what doesn't fit.
    """

    __slots__ = ("_bits", "_struct", "size")

    def __init__(self, layout: Layout) -> None:
        leaves = list(layout.leaves()) if isinstance(layout, Struct) else [Field("", layout, 0)]
        self.size = layout.size
        self._struct = struct.Struct("<" + layout.format)
        # Bit fields lie in what the format takes for padding.
        self._bits = [
            (index, leaf.layout, leaf.offset)
            for index, leaf in enumerate(leaves)
            if isinstance(leaf.layout, Bits)
        ]

    def unpack(self, data: bytes) -> tuple[Any, ...]:
        values = self._struct.unpack_from(data)
        if not self._bits:
            return values
        spread = list(values)
        for index, layout, offset in self._bits:
            unit = int.from_bytes(data[offset : offset + layout.size], "little")
            spread.insert(index, layout.extract(unit))
        return tuple(spread)

    def pack(self, values: Sequence[Any]) -> bytes:
        if not self._bits:
            return self._struct.pack(*values)
        fields = {index for index, _, _ in self._bits}
        plain = [value for index, value in enumerate(values) if index not in fields]
        whole = int.from_bytes(self._struct.pack(*plain), "little")
        for index, layout, offset in self._bits:
            value = values[index]
            if not layout.minimum <= value <= layout.maximum:
                raise struct.error(f"{layout.name} is a number from {layout.minimum} to {layout.maximum}")
            whole |= layout.insert(value) << offset * 8
        return whole.to_bytes(self.size, "little")
