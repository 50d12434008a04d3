"""What programs can read and not write: parameters of a portable target, and texts for some helpers.

It is the only element of one array, `.rodata`, which is frozen once it is filled (Linux 5.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pybpf.spec import MapSpec, align_up
from pybpf.uapi import bpf

if TYPE_CHECKING:
    from pybpf.spec.params import Param

__all__ = ["RODATA", "Rodata"]

RODATA = ".rodata"


class Rodata:
    """The read-only data of one object. `params` are the offsets of parameters, by name."""

    def __init__(self) -> None:
        self.params: dict[str, int] = {}
        self._texts: dict[bytes, int] = {}
        self._data = b""

    def add_params(self, params: tuple[Param, ...], values: Mapping[str, Any]) -> None:
        """Take these in, with their values."""
        for param in params:
            self.params[param.name] = self._add(param.pack(values[param.name]), max(8, param.layout.align))

    def text(self, data: bytes) -> int:
        """The offset of a text, which gets its NUL; one that is there already is shared."""
        if data not in self._texts:
            self._texts[data] = self._add(data + b"\0", 1)
        return self._texts[data]

    def _add(self, data: bytes, alignment: int) -> int:
        offset = align_up(len(self._data), alignment)
        self._data = self._data.ljust(offset, b"\0") + data
        return offset

    def specs(self) -> list[MapSpec]:
        """The map, if anything is in it."""
        if not self._data:
            return []
        data = self._data.ljust(align_up(len(self._data), 8), b"\0")
        return [MapSpec(RODATA, bpf.BPF_MAP_TYPE_ARRAY, 4, len(data), 1, bpf.BPF_F_RDONLY_PROG, data=data)]
