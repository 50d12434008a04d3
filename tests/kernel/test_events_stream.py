"""Streams against the kernel: at every rate, what is shown and what is lost are all that was sent."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from pybpf import events, load
from pybpf.asm import ops
from pybpf.asm.ops import R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10
from pybpf.spec import Attach, CString, Int, MapSpec, ObjectSpec, ProgramSpec, Struct
from pybpf.uapi import bpf

PAGES = 4
RING = MapSpec("events", bpf.BPF_MAP_TYPE_RINGBUF, 0, 0, 4096 * PAGES)
PERF = MapSpec("events", bpf.BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, 0)
HEAP = MapSpec("gadget_heap", bpf.BPF_MAP_TYPE_PERCPU_ARRAY, 4, 10240, 1)
EVENT = Struct("Event", [("number", Int("u64", 8)), ("name", CString(24))])
MOST = 500  # events of a run of the program


def sender(buffer: MapSpec) -> ObjectSpec:
    """A program that sends events: how many, and the first's number, are its arguments; it counts losses."""
    if buffer.type == bpf.BPF_MAP_TYPE_RINGBUF:
        send = [ops.load_map(R1, "events"), ops.mov64(R2, R10), ops.alu("add", R2, -32), ops.mov64(R3, R9)]
        send += [ops.mov64(R4, 0), ops.call("ringbuf_output")]
    else:
        send = [ops.mov64(R1, R6), ops.load_map(R2, "events"), ops.load_imm64(R3, bpf.BPF_F_CURRENT_CPU)]
        send += [
            ops.mov64(R4, R10),
            ops.alu("add", R4, -32),
            ops.mov64(R5, R9),
            ops.call("perf_event_output"),
        ]
    code = (
        ops.mov64(R6, R1),
        ops.load(8, R7, R6, 0),
        ops.load(8, R8, R6, 8),
        ops.jump("jgt", R7, MOST, "out"),
        *(ops.store(8, R10, offset, 0) for offset in (-24, -16, -8)),
        *(ops.store(1, R10, -24 + at, byte) for at, byte in enumerate(b"name")),
        # Their lengths differ: 16 and 24, a number in a row.
        ops.at("next", ops.store(8, R10, -32, R8)),
        ops.mov64(R9, R8),
        ops.alu("and", R9, 8),
        ops.alu("add", R9, 16),
        *send,
        ops.jump("jeq", R0, 0, "sent"),
        ops.store(4, R10, -36, 0),
        ops.mov64(R2, R10),
        ops.alu("add", R2, -36),
        ops.load_map(R1, "gadget_heap"),
        ops.call("map_lookup_elem"),
        ops.jump("jeq", R0, 0, "out"),
        ops.load(8, R1, R0, 10232),
        ops.alu("add", R1, 1),
        ops.store(8, R0, 10232, R1),
        ops.at("sent", ops.alu("add", R8, 1)),
        ops.alu("sub", R7, 1),
        ops.jump("jsgt", R7, 0, "next"),
        ops.at("out", ops.mov64(R0, 0)),
        ops.exit_(),
    )
    program = ProgramSpec("send", bpf.BPF_PROG_TYPE_RAW_TRACEPOINT, code, Attach("raw_tracepoint", ()))
    return ObjectSpec("sender", (program,), (buffer, HEAP))


class Sending(events.Stream):
    """A stream, and threads that send into it until they have sent all, or it detaches."""

    def __init__(self, loaded: load.Loaded, reader: events.Reader) -> None:
        super().__init__(reader, EVENT, loaded.maps["gadget_heap"])
        self._send = loaded.programs["send"].test_run
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.sent = 0

    def send(self, count: int) -> None:
        self._send(context=struct.pack("<QQ", count, self.sent))
        self.sent += count

    def start(self, sizes: Iterator[int], pause: float) -> None:
        def work() -> None:
            for size in sizes:
                if self._stop.wait(pause):
                    return
                self.send(size)

        self._threads.append(threading.Thread(target=work))
        self._threads[-1].start()

    def detach(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture(params=[RING, PERF], ids=["ringbuf", "perf"])
def sending(request: pytest.FixtureRequest) -> Iterator[Sending]:
    spec = sender(request.param)
    with load.load(spec) as loaded, events.open_reader(loaded.maps["events"], PAGES) as reader:
        stream = Sending(loaded, reader)
        yield stream
        stream.detach()


RATES = {
    "one by one": (lambda: itertools.repeat(1), 0.01),
    "some": (lambda: iter([7, 50, 1] * 1000), 0.002),
    "bursts": (lambda: itertools.repeat(MOST), 0.05),
    "a flood": (lambda: itertools.repeat(MOST), 0.0),
}


@pytest.mark.parametrize("rate", RATES)
def test_shown_and_lost_are_all_that_was_sent(sending: Sending, rate: str) -> None:
    make, pause = RATES[rate]
    losses: list[events.Loss] = []
    shown: list[int] = []
    sending.start(make(), pause)
    for batch in sending.batches(timeout=0.5, lost=losses.extend):
        shown += [number for number, _ in batch]
    assert sending.sent > 0
    assert len(shown) == sending.shown
    assert len(shown) + sending.lost == sending.sent
    assert sorted(set(shown)) == sorted(shown)
    # Each processor's losses, as they were told, are those that it counted.
    told = dict.fromkeys(sending.lost_by_cpu, 0)
    for loss in losses:
        told[loss.cpu] += loss.lost
        assert loss.total == told[loss.cpu]
        assert 0 <= loss.position <= sending.shown
    assert told == sending.lost_by_cpu
    if rate in ("one by one", "some"):
        assert losses == []
    if rate == "a flood":
        assert len({loss.position for loss in losses}) <= 2  # at once, and at the end


def test_what_is_lost_after_the_last_event_is_told_within_a_second(sending: Sending) -> None:
    for _ in range(3):
        sending.send(MOST)
    told: list[tuple[float, int]] = []
    began = time.monotonic()

    def lost(losses: list[events.Loss]) -> None:
        told.append((time.monotonic() - began, sum(loss.lost for loss in losses)))

    for _ in sending.batches(timeout=3, lost=lost):
        if sending.sent < 5 * MOST:
            sending.send(MOST)
    assert 5 * MOST == sending.sent == sending.shown + sending.lost
    assert sum(count for _, count in told) == sending.lost > 0
    assert all(at < 1.5 for at, _ in told)


def test_a_trickle_is_shown_within_50_ms(sending: Sending) -> None:
    sent: dict[int, float] = {}
    delays = []

    def sizes() -> Iterator[int]:
        for number in range(20):
            sent[number] = time.monotonic()
            yield 1
            time.sleep(random.uniform(0.001, 0.03))

    sending.start(sizes(), 0.0)
    for event in sending.events(most=20, timeout=5):
        delays.append(time.monotonic() - sent[event.number])
    assert len(delays) == 20
    # The median, since this machine may have other things to do.
    assert sorted(delays)[10] < 0.05


def test_all_ways_of_reading(sending: Sending) -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    try:
        for way in (by_iterating, by_calling, by_awaiting, by_arrays):
            first = sending.sent
            sending.send(20)
            names = ["name"] * 20
            assert way(sending) == list(zip(range(first, first + 20), names)), way.__name__
    finally:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))


def by_iterating(stream: Sending) -> list[tuple[int, str]]:
    return [(event.number, event.name) for event in itertools.islice(stream, 20)]


def by_calling(stream: Sending) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    stream.for_each(lambda event: found.append((event.number, event.name)), most=stream.shown + 20)
    return found


def by_awaiting(stream: Sending) -> list[tuple[int, str]]:
    async def read() -> list[tuple[int, str]]:
        found = []
        async for event in stream:
            found.append((event.number, event.name))
            if len(found) == 20:
                break
        return found

    return asyncio.run(read())


def by_arrays(stream: Sending) -> list[tuple[int, str]]:
    return [
        (int(number), name.decode())
        for batch in stream.arrays(most=stream.shown + 20)
        for number, name in zip(batch["number"], batch["name"])
    ]


def test_others_run_while_it_is_awaited(sending: Sending) -> None:
    read, write = os.pipe()

    async def both() -> int:
        async def ticking() -> int:
            for number in range(10):
                await asyncio.sleep(0.01)
                sending.send(MOST if number % 2 else 1)
            os.write(write, b"x")
            return 10

        task = asyncio.create_task(ticking())
        async for _ in sending.events_async(wake=read, timeout=5):
            pass
        return await task

    assert asyncio.run(both()) == 10
    assert sending.shown + sending.lost == sending.sent == 5 * MOST + 5
    os.close(read)
    os.close(write)
