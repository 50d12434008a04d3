"""BPF_MAP_TYPE_PERF_EVENT_ARRAY (4.4): a ring of perf records for each processor (<linux/perf_event.h>).

    page 0       struct perf_event_mmap_page: data_head at byte 1024 (the kernel's), data_tail at 1032 (ours)
    then         the data, `pages` pages, a power of 2

A record is an 8-byte header (type, misc, size of all of it), then what its type has. Here:
PERF_RECORD_SAMPLE, with a 32-bit length (padding included) and the data; PERF_RECORD_LOST, with an id and a
count.
"""

from __future__ import annotations

import contextlib
import struct

from pybpf.errors import BpfError, LoadError
from pybpf.events.reader import Reader
from pybpf.maps import Map
from pybpf.sys import cpus, perf
from pybpf.sys.pages import PAGE, Pages, fence
from pybpf.uapi import perf_event

__all__ = ["PerfBuffer", "parse"]

_HEAD = 1024 // 8
_TAIL = 1032 // 8
_HEADER = struct.Struct("=IHH")
_LENGTH = struct.Struct("=I")
_LOST = struct.Struct("=Q")


def parse(data: bytes) -> tuple[list[bytes], int]:
    """The samples in a run of whole records, and how many others the kernel says were lost between them."""
    samples = []
    lost = 0
    at = 0
    while at < len(data):
        kind, _, size = _HEADER.unpack_from(data, at)
        if size < _HEADER.size:
            raise BpfError(f"the perf buffer is damaged: a record of {size} bytes")
        if kind == perf_event.PERF_RECORD_SAMPLE:
            length = _LENGTH.unpack_from(data, at + 8)[0]
            samples.append(data[at + 12 : at + 12 + length])
        elif kind == perf_event.PERF_RECORD_LOST:
            lost += _LOST.unpack_from(data, at + 16)[0]
        at += size
    return samples, lost


class Ring:
    """The ring of one processor."""

    def __init__(self, pages: Pages, size: int) -> None:
        self._pages = pages
        self._size = size

    def pending(self) -> bool:
        return self._pages.words64[_TAIL] != self._pages.words64[_HEAD]

    def take(self) -> bytes:
        """All that is there, in one piece, and make room for more."""
        words = self._pages.words64
        tail, head = words[_TAIL], words[_HEAD]
        fence()  # the position first, then the records below it
        start = tail & (self._size - 1)
        stop = start + head - tail
        data = self._pages.copy(PAGE + start, PAGE + min(stop, self._size))
        if stop > self._size:
            data += self._pages.copy(PAGE, PAGE + stop - self._size)
        fence()  # the data is ours before the kernel may write over it
        words[_TAIL] = head
        return data


class PerfBuffer(Reader):
    """Reads a perf buffer: opens an event on each online processor, and puts it into the map.

    `pages` a processor, a power of 2. Events sent on a processor that comes later are refused (ENOENT), which
    the program counts. Records of different processors have no order among each other.
    """

    def __init__(self, map: Map, pages: int = 64) -> None:
        if pages < 1 or pages & (pages - 1):
            raise LoadError(f"map {map.name}: {pages} pages a CPU: it must be a power of 2", map.name)
        self._rings: list[Ring] = []
        events = []
        with contextlib.ExitStack() as owned:
            for cpu in cpus.online():
                event = owned.enter_context(
                    perf.open_event(
                        f"perf buffer of {map.name} on CPU {cpu}",
                        cpu,
                        type=perf_event.PERF_TYPE_SOFTWARE,
                        config=perf_event.PERF_COUNT_SW_BPF_OUTPUT,
                        sample_type=perf_event.PERF_SAMPLE_RAW,
                        sample_period=1,
                        wakeup_events=1,
                    )
                )
                memory = Pages(event.fileno(), (1 + pages) * PAGE, writable=True)
                owned.callback(memory.close)
                map.update(struct.pack("=I", cpu), struct.pack("=I", event.fileno()))
                self._rings.append(Ring(memory, pages * PAGE))
                events.append(event.fileno())
            super().__init__(events, owned)

    def pending(self) -> bool:
        return any(ring.pending() for ring in self._rings)

    def read(self) -> list[bytes]:
        records: list[bytes] = []
        for ring in self._rings:
            samples, lost = parse(ring.take())
            records += samples
            self.lost += lost
        return records
