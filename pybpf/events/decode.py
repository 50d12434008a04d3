"""From records to values."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Any

from pybpf.errors import BpfError
from pybpf.events.records import MOST, Records, stride
from pybpf.spec import CString, Struct

__all__ = ["Decoder", "text"]


def text(raw: bytes) -> str:
    """What a CString's bytes say, up to the first NUL; a byte that isn't UTF-8 is a lone surrogate."""
    return raw.partition(b"\0")[0].decode("utf-8", "surrogateescape")


class Decoder:
    """Decodes records of one layout into flat tuples: one value a leaf, in the order of `names`.

    An Int is an int, all else its raw bytes: those of a CString are to be cut at the first NUL (`text` does
    so), for what is behind it may be left from an earlier record. A record may be longer than its layout
    (perf pads), and shorter when it ends in a CString that was sent at its true length.
    """

    def __init__(self, layout: Struct) -> None:
        leaves = tuple(layout.leaves())
        self.layout = layout
        self.names = tuple(leaf.name for leaf in leaves)
        self._last = leaves[-1]
        open_end = isinstance(self._last.layout, CString)
        self._least = self._last.offset + (0 if open_end else self._last.layout.size)
        # All but the last leaf, and the gap before that.
        self._first, end = "<", 0
        for leaf in leaves[:-1]:
            self._first += f"{leaf.offset - end}x{leaf.layout.format}"
            end = leaf.offset + leaf.layout.size
        self._first += f"{self._last.offset - end}x"
        self._structs: dict[tuple[int, int], struct.Struct] = {}

    def decode(self, record: bytes) -> tuple[Any, ...]:
        """The values of one record. Raises BpfError when it's too short."""
        return self._struct(0, len(record)).unpack_from(record.ljust(stride(0, len(record)), b"\0"))

    def decode_many(self, taken: Iterable[Records]) -> Iterator[list[tuple[Any, ...]]]:
        """The values of all records, some hundreds at a time. Raises BpfError when one is too short."""
        values: list[tuple[Any, ...]] = []
        structs = self._structs
        for data, head, runs in taken:
            view = memoryview(data)
            for at, length, count in runs:
                form = structs.get((head, length)) or self._struct(head, length)
                if count == 1:
                    values.append(form.unpack_from(data, at))
                else:
                    values += form.iter_unpack(view[at : at + count * form.size])
                # No more, so that the next ones are made where these were, still near the processor, and so
                # that there's nothing for the garbage collector to look through.
                if len(values) >= MOST:
                    yield values
                    values = []
        if values:
            yield values

    def check(self, length: int) -> None:
        """Raises BpfError when a record of this length is too short."""
        if length < self._least:
            raise BpfError(
                f"a record of {length} bytes is no {self.layout.name}: expected {self._least} or more"
            )

    def _struct(self, head: int, length: int) -> struct.Struct:
        """What unpacks a record of this length from its header to the next one's."""
        self.check(length)
        _, last, offset = self._last
        size = min(length - offset, last.size)
        form = f"{size}s" if isinstance(last, CString) else last.format
        rest = stride(head, length) - head - offset - size
        made = struct.Struct(f"<{head}x{self._first[1:]}{form}{rest}x")
        self._structs[head, length] = made
        return made
