"""The chunks that a recording consists of.

A chunk is two u32, little endian: a CRC-32 of all that follows, and `kind << 24 | length`; then `length`
bytes, and zeros up to a multiple of 8. So a chunk can be found, and believed, whatever is before it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, Union
from zlib import crc32

from pybpf.events.records import MOST, Records, stride

__all__ = ["CLOCK", "END", "EVENT", "HEADER", "LOST", "MAGIC", "NAMES", "Chunk", "Damage", "chunk", "read"]

MAGIC = b"pybpf recording\n"
# JSON; a record; two i64 (see Clock.state); JSON of texts by field and value; JSON of losses; JSON.
HEADER, EVENT, CLOCK, NAMES, LOST, END = _KINDS = range(0xE1, 0xE7)

_HEAD = struct.Struct("<II")
_SIZE = struct.Struct("<I")
# No chunk is longer. Where one is looked for behind what is damaged, long ones are not: an event fits.
_MOST, _MOST_FOUND = 1 << 20, 1 << 14
_PIECE = 1 << 20


class Chunk(NamedTuple):
    """Any chunk but those of events, which come as Records."""

    kind: int
    data: bytes


class Damage(NamedTuple):
    """Bytes, from `at` on in the file, that are no chunk."""

    at: int
    size: int


# What there is in a file.
Found = Union[Records, Chunk, Damage]


def chunk(kind: int, data: bytes) -> bytes:
    """Data as a chunk. It has less than 1 MiB."""
    size = _SIZE.pack(kind << 24 | len(data))
    whole = size + data
    return b"".join((_SIZE.pack(crc32(whole)), whole, bytes(-(len(whole) + 4) % 8)))


def read(file: BinaryIO, at: int) -> Iterator[Found]:
    """All chunks of a file that stands at `at`, those of events together; and what can't be read."""
    data, ended = b"", False
    while not ended:
        piece = file.read(_PIECE)
        ended = not piece
        data += piece
        done = 0
        for found, done in _chunks(data, at, ended):  # noqa: B007
            yield found
        data, at = data[done:], at + done


def _chunks(data: bytes, base: int, ended: bool) -> Iterator[tuple[Found, int]]:
    """What is in data, each with the place behind it; the last chunk may be cut, unless the file `ended`."""
    runs: list[tuple[int, int, int]] = []
    at = 0
    # The zeros behind the last record may be what was cut.
    padded = data + bytes(8) if ended else data
    while at < len(data):
        kind, length = _parse(data, at, _MOST)
        if length < 0:
            if not ended and at + _MOST + 8 > len(data):
                break  # it may be cut
            if runs:
                yield Records(padded, 8, runs), at
                runs = []
            end = _next(data, at, ended)
            yield Damage(base + at, end - at), end
            at = end
            continue
        end = at + stride(8, length)
        if end > len(data) and not ended:
            break
        if kind == EVENT:
            runs.append((at, length, 1))
        if runs and (kind != EVENT or len(runs) == MOST):
            yield Records(padded, 8, runs), (end if kind == EVENT else at)
            runs = []
        if kind != EVENT:
            yield Chunk(kind, data[at + 8 : at + 8 + length]), end
        at = end
    if runs:
        yield Records(padded, 8, runs), at


def _parse(data: bytes, at: int, most: int) -> tuple[int, int]:
    """The kind and the length of the chunk there; a length of -1 if there's none."""
    if at + 8 > len(data):
        return 0, -1
    crc, size = _HEAD.unpack_from(data, at)
    kind, length = size >> 24, size & 0xFFFFFF
    end = at + 8 + length
    if kind not in _KINDS or length > most or end > len(data):
        return 0, -1
    if crc32(memoryview(data)[at + 4 : end]) != crc:
        return 0, -1
    return kind, length


def _next(data: bytes, at: int, ended: bool) -> int:
    """Where the next chunk is behind one that is damaged; if there's none, how far there is none."""
    end = len(data) if ended else len(data) - _MOST_FOUND - 8
    for place in range(at + 8, end, 8):
        if _parse(data, place, _MOST_FOUND)[1] >= 0:
            return place
    return end
