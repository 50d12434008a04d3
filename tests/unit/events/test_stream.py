"""A stream without a kernel: when it waits, when it looks at what was lost, and what it hands out."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import struct
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from pybpf import events
from pybpf.errors import BpfError
from pybpf.events import turns
from pybpf.events.pace import Pace
from pybpf.events.records import Records
from pybpf.events.timers import Timers
from pybpf.spec import Array, CString, Int, Struct, Union

U8, U16, U64 = Int("u8", 1), Int("u16", 2), Int("u64", 8)
LAYOUT = Struct("Event", [("number", U64), ("name", CString(8))])


@pytest.mark.parametrize(
    ("taken", "passed", "nap"),
    [
        (0, 1.0, 0.0),
        (144, 0.01, 0.0),  # 100 events a second wake up one by one
        (1440, 0.01, 0.01),  # 1000 events a second are taken by tens
        (32768, 0.01, 0.01),
        (65536, 0.01, 0.005),  # the rest of the buffer is for bursts of 8 times the rate
        (262144, 0.016, 0.002),
        (262144, 0.001, 0.0),  # so fast that there's no time for a nap
    ],
)
def test_pace(taken: int, passed: float, nap: float) -> None:
    pace = Pace(262144, 100.0)
    assert pace.nap(taken, 100.0 + passed) == pytest.approx(nap)


class Heap(NamedTuple):
    """The counters of two processors, in the map that holds them."""

    counts: list[int]

    class spec:
        key_size = 4

    def lookup_per_cpu(self, key: bytes) -> list[bytes]:
        assert key == bytes(4)
        return [struct.pack("=QQ", 99, count) for count in self.counts]


class Feed(events.Reader):
    """A buffer to which a list of batches is sent, one each time that it has been emptied."""

    def __init__(self, batches: list[list[int]]) -> None:
        self._read, self._write = os.pipe()
        owned = contextlib.ExitStack()
        owned.callback(os.close, self._read)
        owned.callback(os.close, self._write)
        super().__init__([self._read], owned, 4096, math.inf)
        self._batches = batches

    def pending(self) -> bool:
        return bool(self._batches)

    def take(self) -> Iterator[Records]:
        if self._batches:
            numbers = self._batches.pop(0)
            data = b"".join(struct.pack("<8xQ8s", number, b"%d\0trash" % number) for number in numbers)
            yield Records(data, 8, [(0, 16, len(numbers))])


def stream(*batches: list[int], counts: tuple[int, int] = (0, 0)) -> tuple[events.Stream, Heap]:
    heap = Heap(list(counts))
    return events.Stream(Feed(list(batches)), LAYOUT, heap), heap  # type: ignore[arg-type]


def close(one: events.Stream) -> None:
    one._reader.close()


def test_the_most_is_cut_from_a_batch() -> None:
    one, _ = stream([1, 2], [3, 4, 5], [6])
    assert [number for batch in one.batches(most=4) for number, _ in batch] == [1, 2, 3, 4]
    assert one.shown == 4
    close(one)


def test_at_the_end_the_rest_comes_after_detaching() -> None:
    one, _ = stream()
    one.detach = lambda: one._reader._batches.append([7])  # type: ignore
    assert list(one.batches(timeout=0.001)) == [[(7, b"7\0trash\0")]]
    close(one)


def test_a_descriptor_ends_it() -> None:
    read, write = os.pipe()
    os.write(write, b"x")
    one, _ = stream([1])
    assert [event.name for event in one.events(wake=read)] == ["1"]
    close(one)
    os.close(read)
    os.close(write)


def test_losses_are_told_with_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    one, heap = stream([1], [2], [3, 4], counts=(0, 5))
    now = itertools.count(100.0, 0.01)
    monkeypatch.setattr(turns.time, "monotonic", lambda: next(now))
    told: list[events.Loss] = []
    batches = one.batches(timeout=0.3, lost=told.extend)
    next(batches)
    next(batches)
    assert told == [events.Loss(cpu=1, lost=5, total=5, position=1)]
    heap.counts[:] = [2, 8]
    for _ in batches:
        pass
    assert told[1:] == [events.Loss(0, 2, 2, 4), events.Loss(1, 3, 8, 4)]
    assert (one.shown, one.lost, one.lost_by_cpu) == (4, 10, {0: 2, 1: 8})
    close(one)


def test_what_is_called_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    times = [100.0]
    monkeypatch.setattr(turns.time, "monotonic", lambda: times[-1])
    told: list[tuple[float, float]] = []
    timers = Timers([(seconds, lambda s=seconds: told.append((times[-1], s))) for seconds in (0.5, 0.25)])
    for time in (100.25, 100.375, 100.5, 103.0, 103.125, 103.25):  # late at the fourth
        times.append(time)
        timers.run()
    assert told == [(100.25, 0.25), (100.5, 0.5), (100.5, 0.25), (103.0, 0.5), (103.0, 0.25), (103.25, 0.25)]
    assert timers.next == 103.5
    assert Timers([]).next == math.inf


def test_timers_run_while_nothing_comes() -> None:
    one, _ = stream()
    told: list[int] = []
    assert list(one.batches(timeout=0.01, every=((0.001, lambda: told.append(1)),))) == []
    assert told
    close(one)


NESTED = Struct(
    "Event",
    [
        ("flag", U8),
        ("inner", Struct("Inner", [("a", U16), ("words", Array(U16, 3))])),
        ("either", Union("Either", [("x", U16), ("y", U8)])),
        ("file", CString(9)),
    ],
)


def test_arrays() -> None:
    from pybpf.events.arrays import arrays

    record = struct.pack("<BxH3HH", 1, 2, 3, 4, 5, 6)
    records = [record + b"abc\0", record + b"defg\0garb", record + b"hij\0"]
    data = b"".join((bytes(8) + each).ljust(32, b"\xee") for each in records)
    ((first, second, third),) = arrays(NESTED)([Records(data, 8, [(0, 16, 1), (32, 21, 1), (64, 16, 1)])])
    assert (first["flag"], first["inner"]["a"], list(first["inner"]["words"])) == (1, 2, [3, 4, 5])
    assert [bytes(each["file"]).split(b"\0")[0] for each in (first, second, third)] == [
        b"abc",
        b"defg",
        b"hij",
    ]
    assert bytes(first["either"]) == b"\6\0"


def test_arrays_without_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    one, _ = stream([1])
    with pytest.raises(BpfError) as caught:
        one.arrays()
    assert str(caught.value) == "arrays of events need NumPy: pip install pybpf[numpy], or read batches"
    close(one)


def test_an_end_that_is_none() -> None:
    one, _ = stream([1])
    unknown: dict[str, Any] = {"timout": 1}
    with pytest.raises(TypeError, match="timout"):
        one.batches(**unknown)
    close(one)
