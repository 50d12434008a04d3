"""BPF_MAP_TYPE_PERF_EVENT_ARRAY (4.4): a ring of perf records for each processor (<linux/perf_event.h>).

    page 0       struct perf_event_mmap_page: data_head at byte 1024 (the kernel's), data_tail at 1032 (ours)
    then         the data, `pages` pages, a power of 2

A record is an 8-byte header (32 bits of type, 16 of misc, 16 of the size of all of it), then what its type
has. Here: PERF_RECORD_SAMPLE, with a 32-bit length (padding included) and the data; PERF_RECORD_LOST, with an
id and a count.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator

from pybpf.errors import BpfError, LoadError
from pybpf.events.reader import Reader
from pybpf.events.records import PART, Records, Run, equal
from pybpf.maps import Map
from pybpf.sys import cpus, perf
from pybpf.sys.pages import PAGE, Pages, fence
from pybpf.uapi import perf_event
from pybpf.uapi.perf_event import PERF_RECORD_LOST, PERF_RECORD_SAMPLE

__all__ = ["PerfBuffer", "parse"]

_HEAD = 1024 // 8
_TAIL = 1032 // 8
HEAD = 8 + 4
# In perf_event_attr's flags: wakeup_events is wakeup_watermark, in bytes. To wake up the reader at each event
# costs the sender an interrupt of its own processor, which is 100 times as much as the event (in a guest).
_WATERMARK = 1 << 14
# So a reader looks by itself, at least this often, in seconds, for events that are too few to wake it.
_TICK = 0.03


def parse(data: bytes) -> tuple[list[Run], int, int]:
    """The runs of samples, how many others the kernel says were lost, and where whole records end."""
    runs = []
    lost = 0
    words = memoryview(data).cast("Q")
    at, stop = 0, len(words)
    while at < stop:
        header = words[at]
        kind, size = header & 0xFFFFFFFF, header >> 48
        step = size >> 3
        if not step:
            raise BpfError(f"the perf buffer is damaged: a record of {size} bytes")
        if at + step > stop:
            break
        count = 1
        if kind == PERF_RECORD_SAMPLE:
            if at + step < stop and words[at + step] == header:
                count = equal(words, at, step, stop - step + 1)
            # The 32-bit length says the same as the header's size, since nothing else is in a sample.
            runs.append((at << 3, size - HEAD, count))
        elif kind == PERF_RECORD_LOST:
            lost += words[at + 2]
        at += count * step
    return runs, lost, at << 3


class Ring:
    """The ring of one processor."""

    def __init__(self, pages: Pages, size: int) -> None:
        self._pages = pages
        self._size = size

    def pending(self) -> bool:
        return self._pages.words64[_TAIL] != self._pages.words64[_HEAD]

    def take(self) -> Iterator[tuple[Records, int]]:
        """All that is there, a part at a time, and how many the kernel says were lost."""
        words = self._pages.words64
        tail, head = words[_TAIL], words[_HEAD]
        while tail != head:
            fence()  # the position first, then the records below it
            start = tail & (self._size - 1)
            stop = start + min(head - tail, PART)
            data = self._pages.copy(PAGE + start, PAGE + min(stop, self._size))
            if stop > self._size:
                data += self._pages.copy(PAGE, PAGE + stop - self._size)
            runs, lost, used = parse(data)
            fence()  # the data is ours before the kernel may write over it
            words[_TAIL] = tail = tail + used
            yield Records(data, HEAD, runs), lost


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
                        flags=_WATERMARK,
                        wakeup_events=pages * PAGE // 4,
                    )
                )
                memory = Pages(event.fileno(), (1 + pages) * PAGE, writable=True)
                owned.callback(memory.close)
                map.update(struct.pack("=I", cpu), struct.pack("=I", event.fileno()))
                self._rings.append(Ring(memory, pages * PAGE))
                events.append(event.fileno())
            super().__init__(events, owned, pages * PAGE, _TICK)

    def pending(self) -> bool:
        return any(ring.pending() for ring in self._rings)

    def take(self) -> Iterator[Records]:
        for ring in self._rings:
            for records, lost in ring.take():
                self.lost += lost
                yield records
