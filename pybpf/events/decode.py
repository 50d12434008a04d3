"""From records to values."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, cast

from pybpf.errors import BpfError
from pybpf.events.records import MOST, Records, stride
from pybpf.spec import Array, Bits, CString, Field, Int, Struct

__all__ = ["Decoder", "text"]

_BYTE = Int("u8", 1)


def text(raw: bytes) -> str:
    """What a CString's bytes say, up to the first NUL; a byte that isn't UTF-8 is a lone surrogate."""
    return raw.partition(b"\0")[0].decode("utf-8", "surrogateescape")


class Decoder:
    """Decodes records of one layout into flat tuples: one value a leaf, in the order of `names`.

    An Int is an int, all else its raw bytes: those of a CString are to be cut at the first NUL (`text` does
    so), for what is behind it may be left from an earlier record. Bit fields take a step more: those that lie
    together are unpacked as bytes. A record may be longer than its layout (perf pads), and shorter when it
    ends in a CString that was sent at its true length.
    """

    def __init__(self, layout: Struct) -> None:
        leaves = tuple(layout.leaves())
        self.layout = layout
        self.names = tuple(leaf.name for leaf in leaves)
        pieces, self._bits = _pieces(leaves)
        self._last = pieces[-1]
        open_end = isinstance(self._last.layout, CString)
        self._least = self._last.offset + (0 if open_end else self._last.layout.size)
        # All but the last piece, and the gap before that.
        self._first, end = "<", 0
        for piece in pieces[:-1]:
            self._first += f"{piece.offset - end}x{piece.layout.format}"
            end = piece.offset + piece.layout.size
        self._first += f"{self._last.offset - end}x"
        self._structs: dict[tuple[int, int], struct.Struct] = {}

    def decode(self, record: bytes) -> tuple[Any, ...]:
        """The values of one record. Raises BpfError when it's too short."""
        form = self._struct(0, len(record))
        (values,) = self._spread([form.unpack_from(record.ljust(stride(0, len(record)), b"\0"))])
        return values

    def _spread(self, unpacked: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """The values of the leaves, of those of the pieces."""
        return [_separate(values, self._bits) for values in unpacked] if self._bits else unpacked

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
                    yield self._spread(values)
                    values = []
        if values:
            yield self._spread(values)

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


class _Run(NamedTuple):
    """Bit fields that lie together: which value they are unpacked as, and where in it each lies."""

    value: int
    fields: list[tuple[int, Bits]]  # bits to shift down by, and the field


def _pieces(leaves: Sequence[Field]) -> tuple[list[Field], list[_Run]]:
    """What is unpacked: the leaves, with the bytes of bit fields that follow one another as one."""
    pieces: list[Field] = []
    runs: list[_Run] = []
    for together, group in itertools.groupby(leaves, lambda leaf: isinstance(leaf.layout, Bits)):
        found = list(group)
        if not together:
            pieces += found
            continue
        fields = [(leaf.offset, cast(Bits, leaf.layout)) for leaf in found]
        places = [(offset * 8 + bits.shift, bits) for offset, bits in fields]
        first, (last, end) = places[0][0] // 8, places[-1]
        size = (last + end.width + 7) // 8 - first
        runs.append(_Run(len(pieces), [(at - first * 8, bits) for at, bits in places]))
        pieces.append(Field("", Array(_BYTE, size), first))
    return pieces, runs


def _separate(values: tuple[Any, ...], runs: Sequence[_Run]) -> tuple[Any, ...]:
    """The values with those of bit fields instead of the bytes that they lie in."""
    found: list[Any] = []
    end = 0
    for run, fields in runs:
        found += values[end:run]
        whole, end = int.from_bytes(values[run], "little"), run + 1
        found += [bits.extract(whole >> at << bits.shift) for at, bits in fields]
    return (*found, *values[end:])
