"""Events as the records that programs send: the length as a u32, little endian, then so many bytes.

`pybpf inspect PROGRAM --show maps` shows their layout. A recording (`--record`) has it inside.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from pybpf.events.pack import packer
from pybpf.gadget.output.form import Form
from pybpf.spec import Struct

__all__ = ["Raw"]


class Raw(Form):
    """Records, one after another."""

    header = b""

    def __init__(self, layout: Struct) -> None:
        self._pack = packer(layout)

    def lines(self, batch: Sequence[tuple[Any, ...]]) -> bytes:
        length = struct.Struct("<I").pack
        return b"".join(part for record in map(self._pack, batch) for part in (length(len(record)), record))
