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
import math
from collections.abc import Iterator

from pybpf.events.reader import Reader
from pybpf.events.records import PART, Records, Run, equal, stride
from pybpf.maps import Map
from pybpf.sys.pages import PAGE, Pages, fence
from pybpf.uapi.bpf import BPF_RINGBUF_BUSY_BIT, BPF_RINGBUF_DISCARD_BIT
from pybpf.uapi.bpf import BPF_RINGBUF_HDR_SZ as HEAD

__all__ = ["RingBuffer", "scan"]

_LENGTH = BPF_RINGBUF_DISCARD_BIT - 1


def scan(words: memoryview, size: int, consumer: int, producer: int) -> tuple[list[Run], int]:
    """Find the records between two positions.

    `words` is the data of a ring of `size` bytes (a power of 2), twice in a row, as native 32-bit integers.
    Returns the runs (see events/records.py; counted from `consumer`) of records that are whole and not
    discarded, and the new consumer position: that of the first busy record, or behind the last.
    """
    runs = []
    # Both positions in 32-bit words, the first below `size`.
    at = begin = (consumer & (size - 1)) >> 2
    stop = begin + ((producer - consumer) >> 2)
    while at < stop:
        header = words[at]
        if header & BPF_RINGBUF_BUSY_BIT:
            break
        length = header & _LENGTH
        step = stride(HEAD, length) >> 2
        count = 1
        if at + step < stop and words[at + step] == header:
            count = equal(words, at, step, stop)
        if not header & BPF_RINGBUF_DISCARD_BIT:
            runs.append(((at - begin) << 2, length, count))
        at += count * step
    return runs, consumer + ((at - begin) << 2)


class RingBuffer(Reader):
    """Reads a ring buffer; several readers of one would take each other's records."""

    def __init__(self, map: Map) -> None:
        self._size = map.spec.max_entries
        with contextlib.ExitStack() as owned:
            self._consumer = Pages(map.fileno(), PAGE, writable=True)
            owned.callback(self._consumer.close)
            self._producer = Pages(map.fileno(), PAGE + 2 * self._size, offset=PAGE)
            owned.callback(self._producer.close)
            self._data = self._producer.words32[PAGE // 4 :]
            owned.callback(self._data.release)
            super().__init__([map.fileno()], owned, self._size, math.inf)

    def pending(self) -> bool:
        return self._consumer.words64[0] != self._producer.words64[0]

    def take(self) -> Iterator[Records]:
        position = self._consumer.words64[0]
        end = self._producer.words64[0]
        while position < end:
            fence()  # the position first, then the headers below it
            runs, after = scan(self._data, self._size, position, min(end, position + PART))
            if after == position:
                break
            fence()  # the headers first, then the data behind those that are not busy
            start = PAGE + (position & (self._size - 1))
            records = Records(self._producer.copy(start, start + after - position), HEAD, runs)
            fence()  # the data is ours before the kernel may write over it
            self._consumer.words64[0] = position = after
            yield records
