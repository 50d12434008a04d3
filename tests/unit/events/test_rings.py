"""Records in, the same records out, wherever in the ring they lie."""

from __future__ import annotations

import struct
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybpf.errors import BpfError
from pybpf.events import perf_buffer, ring_buffer
from pybpf.events.records import MOST, Records, equal
from pybpf.uapi import perf_event
from pybpf.uapi.bpf import BPF_RINGBUF_BUSY_BIT, BPF_RINGBUF_DISCARD_BIT

SIZE = 4096
records = st.lists(st.one_of(st.binary(max_size=300), st.binary(min_size=9, max_size=9)), max_size=12)


class Sent(NamedTuple):
    data: bytes
    bits: int  # busy or discard


def ring(sent: list[Sent], start: int) -> tuple[memoryview, int]:
    """The two mappings of a ring's data, as 32-bit words, with records from position `start` on; the end."""
    data = bytearray(b"\xaa" * SIZE)
    position = start
    for record, bits in sent:
        image = struct.pack("=II", len(record) | bits, 0xBBBBBBBB) + record
        image = image.ljust((len(image) + 7) & -8, b"\xcc")
        for at, byte in enumerate(image):
            data[(position + at) % SIZE] = byte
        position += len(image)
    return memoryview(bytes(data) * 2).cast("I"), position


def read(sent: list[Sent], start: int) -> tuple[list[bytes], int, int]:
    words, end = ring(sent, start)
    runs, after = ring_buffer.scan(words, SIZE, start, end)
    first = start % SIZE
    taken = Records(bytes(words.cast("B")[first : first + after - start]), ring_buffer.HEAD, runs)
    return taken.split(), after, end


starts = st.integers(0, 1 << 40).map(lambda number: number * 8)
bits = st.sampled_from([0, 0, BPF_RINGBUF_DISCARD_BIT])


@given(st.lists(st.builds(Sent, st.binary(max_size=300), bits), max_size=12), starts)
def test_ring_buffer_discarded_records_are_passed_over(sent: list[Sent], start: int) -> None:
    found, after, end = read(sent, start)
    assert found == [record for record, bits in sent if not bits]
    assert after == end


@given(records, records, st.sampled_from([0, BPF_RINGBUF_DISCARD_BIT]), starts)
def test_ring_buffer_a_busy_record_holds_up_those_behind_it(
    before: list[bytes], behind: list[bytes], bits: int, start: int
) -> None:
    ready = [Sent(record, 0) for record in before]
    busy = [Sent(b"busy", BPF_RINGBUF_BUSY_BIT | bits), *(Sent(record, 0) for record in behind)]
    found, after, _ = read([*ready, *busy], start)
    assert found == before
    assert after == read(ready, start)[2]


@pytest.mark.parametrize("start", range(0, SIZE, 8))
def test_ring_buffer_wraps_at_every_place(start: int) -> None:
    sent = [b"a" * 1000, b"", b"b" * 7, b"c" * 2000, b"d"]
    assert read([Sent(record, 0) for record in sent], start)[0] == sent


@given(st.lists(st.integers(0, 1), min_size=1, max_size=3 * MOST), st.integers(1, 5), st.data())
def test_how_many_words_are_like_the_first(values: list[int], step: int, data: st.DataObject) -> None:
    words = memoryview(struct.pack(f"={len(values)}I", *values)).cast("I")
    at = data.draw(st.integers(0, len(values) - 1))
    stop = data.draw(st.integers(at + 1, len(values)))
    strided = values[at:stop:step]
    like = next((i for i, value in enumerate(strided) if value != values[at]), len(strided))
    found = equal(words, at, step, stop)
    # All of what is all alike; else no less than half, so that a long run takes few steps.
    assert min(like, MOST) // 2 < found <= min(like, MOST)
    assert found == min(like, MOST) or like < len(strided)


def sample(data: bytes) -> bytes:
    padding = -(len(data) + 4) % 8
    body = struct.pack("=I", len(data) + padding) + data + b"\xee" * padding
    return struct.pack("=IHH", perf_event.PERF_RECORD_SAMPLE, 0, 8 + len(body)) + body


def lost(count: int) -> bytes:
    return struct.pack("=IHHQQ", perf_event.PERF_RECORD_LOST, 0, 24, 1, count)


OTHER = struct.pack("=IHHQQQ", perf_event.PERF_RECORD_THROTTLE, 0, 32, 1, 2, 3)


@given(st.lists(st.one_of(st.binary(max_size=300), st.integers(0, 1 << 40), st.none()), max_size=12))
def test_perf_records_of_all_kinds(sent: list[bytes | int | None]) -> None:
    images = [OTHER if s is None else lost(s) if isinstance(s, int) else sample(s) for s in sent]
    image = b"".join(images)
    runs, count, end = perf_buffer.parse(image)
    assert end == len(image)
    found = Records(image, perf_buffer.HEAD, runs).split()
    expected = [s for s in sent if isinstance(s, bytes)]
    assert len(found) == len(expected)
    for got, data in zip(found, expected):
        assert got[: len(data)] == data
        assert len(got) - len(data) == -(len(data) + 4) % 8
    assert count == sum(s for s in sent if isinstance(s, int))


def test_perf_a_record_without_a_size_is_damage() -> None:
    with pytest.raises(BpfError, match=r"^the perf buffer is damaged: a record of 0 bytes$"):
        perf_buffer.parse(bytes(16))


@pytest.mark.parametrize("cut", range(0, 88, 8))
def test_perf_the_end_of_a_part_may_cut_a_record(cut: int) -> None:
    image = sample(b"a" * 20) + sample(b"b" * 20) + sample(b"c" * 4)
    ends = [at for at in (0, 32, 64, 80) if at <= cut]
    runs, _, end = perf_buffer.parse(image[:cut])
    assert (end, sum(count for _, _, count in runs)) == (ends[-1], len(ends) - 1)


class Memory:
    """Pages as sys has them, with a ring of perf records behind the first."""

    def __init__(self, data: bytes, tail: int) -> None:
        page = perf_buffer.PAGE
        self.memory = bytearray(page + page)
        for at, byte in enumerate(data):
            self.memory[page + (tail + at) % page] = byte
        self.words64 = memoryview(self.memory).cast("Q")
        self.words64[1032 // 8] = tail
        self.words64[1024 // 8] = tail + len(data)

    def copy(self, start: int, stop: int) -> bytes:
        return bytes(self.memory[start:stop])


@given(st.lists(st.binary(max_size=300), max_size=12), starts)
def test_perf_records_that_wrap(sent: list[bytes], tail: int) -> None:
    memory = Memory(b"".join(map(sample, sent)), tail)
    one = perf_buffer.Ring(memory, perf_buffer.PAGE)  # type: ignore[arg-type]
    assert one.pending() is bool(sent)
    found = [record for records, _ in one.take() for record in records.split()]
    assert [got[: len(data)] for got, data in zip(found, sent)] == sent
    assert not one.pending()
    assert list(one.take()) == []
