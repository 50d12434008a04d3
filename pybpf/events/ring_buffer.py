"""BPF_MAP_TYPE_RINGBUF (5.8): one ring for all processors (kernel/bpf/ringbuf.c).

    page 0       consumer position: ours to write
    page 1       producer position
    then         the data, mapped twice in a row, so that a record that wraps lies in one piece

Positions only grow; modulo the size they are offsets. A record is a 32-bit length, with a busy bit while
its program still writes and a discard bit if it changed its mind, 4 bytes of the kernel's, then the data,
padded to 8 bytes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from pybpf.events.reader import Reader
from pybpf.maps import Map
from pybpf.sys.pages import PAGE, Pages, fence
from pybpf.uapi.bpf import BPF_RINGBUF_BUSY_BIT, BPF_RINGBUF_DISCARD_BIT, BPF_RINGBUF_HDR_SZ

__all__ = ["RingBuffer", "scan"]

_LENGTH = BPF_RINGBUF_DISCARD_BIT - 1


def scan(words: Sequence[int], size: int, consumer: int, producer: int) -> tuple[list[tuple[int, int]], int]:
    """Find the records between two positions.

    `words` is the data of a ring of `size` bytes (a power of 2) as native 32-bit integers. Returns
    `(start, stop)` of each record that is whole and not discarded, in bytes from the start of the data
    (`stop` may be past `size`: in the second mapping), and the new consumer position: that of the first
    busy record, or behind the last.
    """
    spans = []
    mask = size - 1
    while consumer < producer:
        start = consumer & mask
        header = words[start >> 2]
        if header & BPF_RINGBUF_BUSY_BIT:
            break
        length = header & _LENGTH
        start += BPF_RINGBUF_HDR_SZ
        if not header & BPF_RINGBUF_DISCARD_BIT:
            spans.append((start, start + length))
        consumer += (length + BPF_RINGBUF_HDR_SZ + 7) & -8
    return spans, consumer


class RingBuffer(Reader):
    """Reads a ring buffer; several readers of one would take each other's records."""

    def __init__(self, map: Map) -> None:
        self._size = map.spec.max_entries
        self._chunk = self._size // 4
        with contextlib.ExitStack() as owned:
            self._consumer = Pages(map.fileno(), PAGE, writable=True)
            owned.callback(self._consumer.close)
            self._producer = Pages(map.fileno(), PAGE + 2 * self._size, offset=PAGE)
            owned.callback(self._producer.close)
            self._data = self._producer.words32[PAGE // 4 :]
            owned.callback(self._data.release)
            super().__init__([map.fileno()], owned)

    def pending(self) -> bool:
        return self._consumer.words64[0] != self._producer.words64[0]

    def read(self) -> list[bytes]:
        records: list[bytes] = []
        position = self._consumer.words64[0]
        end = self._producer.words64[0]
        while position < end:
            fence()  # the position first, then the headers below it
            # A part at a time, so that room is made while the rest is copied.
            spans, after = scan(self._data, self._size, position, min(end, position + self._chunk))
            if after == position:
                break
            fence()  # the headers first, then the data behind those that are not busy
            copy = self._producer.copy
            records += [copy(PAGE + start, PAGE + stop) for start, stop in spans]
            fence()  # the data is ours before the kernel may write over it
            self._consumer.words64[0] = position = after
        return records
