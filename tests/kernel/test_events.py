"""Both buffers against the kernel: a raw tracepoint program, run by BPF_PROG_TEST_RUN (5.10), sends."""

from __future__ import annotations

import os
import select
import struct
import threading
from collections.abc import Iterator

import pytest

from pybpf import events, load
from pybpf.asm import Statement, ops
from pybpf.asm.ops import R0, R1, R2, R3, R4, R5, R6, R7, R10
from pybpf.errors import LoadError, UsageError
from pybpf.spec import Attach, MapSpec, ObjectSpec, ProgramSpec
from pybpf.uapi import bpf

RING = MapSpec("events", bpf.BPF_MAP_TYPE_RINGBUF, 0, 0, 4096)
PERF = MapSpec("events", bpf.BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, 0)
HEAP = MapSpec("gadget_heap", bpf.BPF_MAP_TYPE_PERCPU_ARRAY, 4, 10240, 1)
MOST = 256  # bytes of a record, on the stack


def sender(events_map: MapSpec) -> ObjectSpec:
    """A program of two arguments: what the record's first 8 bytes are, and its size."""
    if events_map.type == bpf.BPF_MAP_TYPE_RINGBUF:
        send = [ops.load_map(R1, "events"), *at_stack(R2), ops.mov64(R3, R7), ops.mov64(R4, 0), ops.call(130)]
    else:
        send = [
            ops.mov64(R1, R6),
            ops.load_map(R2, "events"),
            ops.load_imm64(R3, bpf.BPF_F_CURRENT_CPU),
            *at_stack(R4),
            ops.mov64(R5, R7),
            ops.call(25),
        ]
    code = (
        ops.mov64(R6, R1),
        *(ops.store(8, R10, -offset, 0) for offset in range(8, MOST + 8, 8)),
        ops.load(8, R1, R6, 0),
        ops.store(8, R10, -MOST, R1),
        ops.load(8, R7, R6, 8),
        ops.jump("jgt", R7, MOST, "out"),
        ops.jump("jlt", R7, 8, "out"),
        *send,
        ops.jump("jeq", R0, 0, "out"),
        ops.store(4, R10, -4, 0),
        ops.mov64(R2, R10),
        ops.alu("add", R2, -4),
        ops.load_map(R1, "gadget_heap"),
        ops.call(1),
        ops.jump("jeq", R0, 0, "out"),
        ops.load(8, R1, R0, 10232),
        ops.alu("add", R1, 1),
        ops.store(8, R0, 10232, R1),
        ops.at("out", ops.mov64(R0, 0)),
        ops.exit_(),
    )
    program = ProgramSpec("send", bpf.BPF_PROG_TYPE_RAW_TRACEPOINT, code, Attach("raw_tracepoint", ()))
    return ObjectSpec("sender", (program,), (events_map, HEAP))


def at_stack(register: ops.Reg) -> list[Statement]:
    return [ops.mov64(register, R10), ops.alu("add", register, -MOST)]


class Sending:
    def __init__(self, loaded: load.Loaded, reader: events.Reader) -> None:
        self.program = loaded.programs["send"]
        self.heap = loaded.maps["gadget_heap"]
        self.reader = reader

    def send(self, number: int, size: int = 16) -> None:
        self.program.test_run(context=struct.pack("<QQ", number, size))

    def numbers(self) -> list[int]:
        return [struct.unpack_from("<Q", record)[0] for record in self.reader.read()]


@pytest.fixture(params=[RING, PERF], ids=["ringbuf", "perf"])
def sending(request: pytest.FixtureRequest) -> Iterator[Sending]:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one processor: one order
    with load.load(sender(request.param)) as loaded, events.open_reader(loaded.maps["events"], 1) as reader:
        yield Sending(loaded, reader)


@pytest.fixture(autouse=True)
def processors() -> Iterator[None]:
    before = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, before)


def test_records_come_in_order_and_once(sending: Sending) -> None:
    assert sending.reader.poll(0) is False
    assert sending.reader.read() == []
    for number in range(20):
        sending.send(number)
    assert sending.reader.poll(1) is True
    assert sending.numbers() == list(range(20))
    assert sending.reader.read() == []


def test_sizes_of_all_kinds_at_every_place_of_the_ring(sending: Sending) -> None:
    sizes = [8 + (step * 37) % (MOST - 7) for step in range(1000)]
    for number, size in enumerate(sizes):
        sending.send(number, size)
        (record,) = sending.reader.read()
        # perf pads, with what lay there before
        assert size <= len(record) < size + 8
        assert record[:size] == struct.pack("<Q", number).ljust(size, b"\0")


@pytest.mark.parametrize("count", [1, 100, 171, 1000])
def test_shown_and_lost_are_all_that_was_sent(sending: Sending, count: int) -> None:
    shown: list[int] = []
    for number in range(count):
        sending.send(number)
        if number % 700 == 699:
            shown += sending.numbers()
    shown += sending.numbers()
    lost = events.lost_sends(sending.heap)
    assert len(shown) + lost == count
    assert shown == sorted(set(shown))
    assert lost >= sending.reader.lost  # perf says only what a later record could tell
    if count == 1000:
        assert lost > 500


def test_perf_record_lost_counts_what_the_program_counted_and_later() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with load.load(sender(PERF)) as loaded, events.open_reader(loaded.maps["events"], 1) as reader:
        sending = Sending(loaded, reader)
        for number in range(300):
            sending.send(number)
        shown = len(sending.numbers())
        lost = events.lost_sends(sending.heap)
        assert (shown + lost, reader.lost) == (300, 0)  # no later record yet
        sending.send(300)
        assert sending.numbers() == [300]
        assert reader.lost == lost == events.lost_sends(sending.heap)


def test_poll_wakes_when_a_record_comes(sending: Sending) -> None:
    threading.Timer(0.05, sending.send, [7]).start()
    assert sending.reader.poll(5) is True
    assert sending.numbers() == [7]


def test_the_descriptor_of_a_ring_buffer_wakes_at_the_first_record() -> None:
    with load.load(sender(RING)) as loaded, events.open_reader(loaded.maps["events"]) as reader:
        threading.Timer(0.05, Sending(loaded, reader).send, [7]).start()
        poller = select.poll()
        poller.register(reader.fileno(), select.POLLIN)
        assert poller.poll(5000)


def test_the_descriptor_of_a_perf_buffer_wakes_when_a_quarter_is_full() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with load.load(sender(PERF)) as loaded, events.open_reader(loaded.maps["events"], 1) as reader:
        sending = Sending(loaded, reader)
        poller = select.poll()
        poller.register(reader.fileno(), select.POLLIN)
        sent = 0
        while not poller.poll(0):
            sending.send(sent)
            sent += 1
        assert 1024 <= sent * 32 <= 1024 + 64  # 8 + 4 + 16 bytes, padded


@pytest.mark.parametrize("spec", [RING, PERF], ids=["ringbuf", "perf"])
def test_nothing_is_left_open(spec: MapSpec) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    with load.load(sender(spec)) as loaded:
        inner = sorted(os.listdir("/proc/self/fd"))
        reader = events.open_reader(loaded.maps["events"])
        reader.close()
        reader.close()
        assert sorted(os.listdir("/proc/self/fd")) == inner
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_what_is_no_buffer() -> None:
    with load.load(sender(PERF)) as loaded:
        with pytest.raises(UsageError, match=r"^map gadget_heap is no buffer of events \(its type is 6\)$"):
            events.open_reader(loaded.maps["gadget_heap"])
        with pytest.raises(LoadError, match=r"^map events: 3 pages a CPU: it must be a power of 2$"):
            events.open_reader(loaded.maps["events"], 3)
