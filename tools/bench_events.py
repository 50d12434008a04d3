#!/usr/bin/env python3
"""How fast events come out of both buffers: records, tuples, objects, lines.

usage: tools/bench events [--seconds 1] [--buffer ringbuf|perf]

A raw tracepoint program, run by BPF_PROG_TEST_RUN, fills a buffer with records of 136 bytes (five numbers,
three texts); then what takes them out again is timed, by this thread's processor time and by the clock,
until each measurement has had its seconds. Needs root. Where Debian's python3-bpfcc is installed, its
readers are measured beside ours, on the same records, with a ctypes cast and all eight fields read.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import itertools
import os
import struct
import sys
import time
from collections.abc import Callable, Iterator
from ctypes import POINTER, Structure, c_char, c_uint32, c_uint64, c_void_p, cast
from typing import Any

from pybpf import events, load
from pybpf.asm import ops
from pybpf.asm.ops import R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10
from pybpf.gadget.clock import Clock
from pybpf.gadget.fields import fields
from pybpf.gadget.gadget import Gadget
from pybpf.gadget.output.columns import Table
from pybpf.gadget.output.json import JsonLines
from pybpf.gadget.select import select
from pybpf.maps import Map
from pybpf.spec import Attach, CString, Int, MapSpec, ObjectSpec, ProgramSpec, Struct
from pybpf.uapi import bpf

U32, U64 = Int("u32", 4), Int("u64", 8)
EVENT = Struct(
    "Event",
    [
        ("timestamp", Int("timestamp", 8, role="timestamp")),
        ("delta_us", U64),
        ("offset", U64),
        ("pid", U32),
        ("tid", U32),
        ("comm", CString(16)),
        ("parent", CString(16)),
        ("file", CString(72)),
    ],
)
COLUMNS = "comm pid tid delta_us offset parent file"
RING = MapSpec("events", bpf.BPF_MAP_TYPE_RINGBUF, 0, 0, 1 << 20)
PERF = MapSpec("events", bpf.BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, 0)
PAGES = 256
BATCH = 5000  # records of a filling; both buffers hold 1 MiB
BASE = -EVENT.size
TUPLES = "tuples in batches"


def sender(buffer: MapSpec, vary: bool = False) -> ObjectSpec:
    """A program that sends records: how many, from which number on, are its two arguments.

    Their lengths are the same, or `vary`, as those of records do that end in a name sent at its true length.
    """
    texts = {BASE + 32: b"postgres", BASE + 48: b"systemd", BASE + 64: b"base/16384/00000"}
    code = [
        ops.mov64(R6, R1),
        ops.load(8, R7, R6, 0),
        ops.load(8, R8, R6, 8),
        ops.jump("jgt", R7, BATCH, "out"),
        *(ops.store(8, R10, offset, 0) for offset in range(BASE, 0, 8)),
        *(
            ops.store(1, R10, start + at, byte)
            for start, text in texts.items()
            for at, byte in enumerate(text)
        ),
        ops.at("next", ops.store(8, R10, BASE, R8)),
        *(ops.store(8, R10, BASE + at, R8) for at in (8, 16)),
        *(ops.store(4, R10, BASE + at, R8) for at in (24, 28)),
        # One of 1024 file names.
        ops.mov64(R1, R8),
        ops.alu("and", R1, 31),
        ops.alu("add", R1, 64),
        ops.store(1, R10, BASE + 80, R1),
        ops.mov64(R1, R8),
        ops.alu("rsh", R1, 5),
        ops.alu("and", R1, 31),
        ops.alu("add", R1, 64),
        ops.store(1, R10, BASE + 81, R1),
        ops.mov64(R9, R8),
        ops.alu("and", R9, 31 if vary else 0),
        ops.alu("add", R9, EVENT.size - (31 if vary else 0)),
    ]
    if buffer.type == bpf.BPF_MAP_TYPE_RINGBUF:
        code += [ops.load_map(R1, "events"), ops.mov64(R2, R10), ops.alu("add", R2, BASE)]
        code += [ops.mov64(R3, R9), ops.mov64(R4, bpf.BPF_RB_NO_WAKEUP), ops.call("ringbuf_output")]
    else:
        code += [ops.mov64(R1, R6), ops.load_map(R2, "events"), ops.load_imm64(R3, bpf.BPF_F_CURRENT_CPU)]
        code += [ops.mov64(R4, R10), ops.alu("add", R4, BASE), ops.mov64(R5, R9)]
        code += [ops.call("perf_event_output")]
    code += [
        ops.alu("add", R8, 1),
        ops.alu("sub", R7, 1),
        ops.jump("jsgt", R7, 0, "next"),
        ops.at("out", ops.mov64(R0, 0)),
        ops.exit_(),
    ]
    attach = Attach("raw_tracepoint", ())
    return ObjectSpec(
        "sender", (ProgramSpec("send", bpf.BPF_PROG_TYPE_RAW_TRACEPOINT, tuple(code), attach),), (buffer,)
    )


class Speed:
    """Records a second, by processor time and by the clock."""

    def __init__(self) -> None:
        self.records = 0
        self.processor = self.clock = 0.0

    def add(self, take: Callable[[], int]) -> None:
        processor, clock = time.thread_time(), time.perf_counter()
        self.records += take()
        self.processor += time.thread_time() - processor
        self.clock += time.perf_counter() - clock

    def __str__(self) -> str:
        return f"{self.records / self.processor / 1e6:6.2f} {self.records / self.clock / 1e6:6.2f}"


def measure(send: load.Program, take: Callable[[], int], seconds: float) -> Speed:
    """Fill the buffer, and `take` all out of it, which says how many records it took; again and again."""
    speed = Speed()
    for first in itertools.count(0, BATCH):
        if speed.processor > seconds:
            break
        send.test_run(context=struct.pack("<QQ", BATCH, first))
        speed.add(take)
    assert speed.records % BATCH == 0, "records were lost"
    return speed


def ways(reader: events.Reader) -> Iterator[tuple[str, Callable[[], int]]]:
    """What is measured."""
    decoder = events.Decoder(EVENT)
    event = events.event_class(EVENT)
    shown = select(fields(EVENT, Clock()), Gadget("bench", columns=COLUMNS).columns)
    table, lines = Table(shown.columns), JsonLines(shown.fields)

    def tuples() -> Iterator[list[tuple[Any, ...]]]:
        return decoder.decode_many(reader.take())

    def objects() -> Iterator[Any]:
        return itertools.chain.from_iterable(map(event, batch) for batch in tuples())

    def read_all() -> int:
        count = 0
        for count, each in enumerate(objects(), 1):  # noqa: B007
            each.comm, each.parent, each.file  # noqa: B018
            each.timestamp, each.delta_us, each.offset, each.pid, each.tid  # noqa: B018
        return count

    def made(show: Callable[[list[tuple[Any, ...]]], str]) -> Callable[[], int]:
        return lambda: sum(show(batch).count("\n") for batch in tuples())

    yield "records as bytes", lambda: len(reader.read())
    yield TUPLES, lambda: sum(map(len, tuples()))
    yield "event objects", lambda: sum(1 for each in objects())
    yield "event objects, all 8 fields read", read_all
    yield "lines of columns", made(table.lines)
    yield "lines of JSON", made(lines.lines)


def peer(buffer: Map) -> Callable[[], int] | None:
    """bcc's reader of the same buffer, as its own Python code sets it up; None where bcc is not installed."""
    sys.path.append("/usr/lib/python3/dist-packages")
    try:
        from bcc import libbcc
    except ImportError:
        return None
    counts = [0]
    forms: dict[str, Any] = {
        "timestamp": c_uint64,
        "delta_us": c_uint64,
        "offset": c_uint64,
        "pid": c_uint32,
        "tid": c_uint32,
    }
    forms.update(comm=c_char * 16, parent=c_char * 16, file=c_char * 72)
    record = type("Record", (Structure,), {"_fields_": list(forms.items())})

    def read(context: object, data: int, size: int) -> int:
        each: Any = cast(data, POINTER(record)).contents
        each.comm, each.parent, each.file  # noqa: B018
        each.timestamp, each.delta_us, each.offset, each.pid, each.tid  # noqa: B018
        counts[0] += 1
        return 0

    lib = libbcc.lib
    if buffer.spec.type == bpf.BPF_MAP_TYPE_RINGBUF:
        called: Any = libbcc._RINGBUF_CB_TYPE(read)
        ring = lib.bpf_new_ringbuf(buffer.fileno(), called, None)
        consume = functools.partial(lib.bpf_consume_ringbuf, ring)
    else:
        called = libbcc._RAW_CB_TYPE(read)
        cpu = min(os.sched_getaffinity(0))
        reader = lib.bpf_open_perf_buffer(called, libbcc._LOST_CB_TYPE(), None, -1, cpu, PAGES)
        buffer.update(struct.pack("=I", cpu), struct.pack("=I", lib.perf_reader_fd(reader)))
        consume = functools.partial(lib.perf_reader_consume, 1, (c_void_p * 1)(reader))

    def take() -> int:
        counts[0] = 0
        consume()
        return counts[0]

    take.called = called  # type: ignore[attr-defined]  # not to be collected
    return take


@contextlib.contextmanager
def loaded(spec: ObjectSpec) -> Iterator[tuple[load.Program, Map, events.Reader]]:
    with load.load(spec) as objects:
        map = objects.maps["events"]
        with events.open_reader(map, PAGES) as reader:
            yield objects.programs["send"], map, reader


def measure_all(buffer: MapSpec, seconds: float) -> Iterator[tuple[str, Speed]]:
    """Each way of one buffer, bcc's, and what records cost that are not alike."""
    with loaded(sender(buffer)) as (send, map, reader):
        for what, take in ways(reader):
            yield what, measure(send, take, seconds)
        theirs = peer(map)
        if theirs:
            yield "bcc: ctypes cast, all 8 fields read", measure(send, theirs, seconds)
    with loaded(sender(buffer, vary=True)) as (send, _, reader):
        what, take = next(way for way in ways(reader) if way[0] == TUPLES)
        yield f"{what}, of records not alike", measure(send, take, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1, help="of processor time, a measurement")
    parser.add_argument("--buffer", choices=("ringbuf", "perf"), help="only this one")
    args = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # a perf buffer is one processor's
    print("million records a second:                      by processor time, by the clock")
    for name, buffer in (("ringbuf", RING), ("perf", PERF)):
        if args.buffer in (None, name):
            for what, speed in measure_all(buffer, args.seconds):
                print(f"{name:8} {what:42} {speed}", flush=True)


if __name__ == "__main__":
    main()
