"""What has begun and not ended, as text for people."""

from __future__ import annotations

import enum
import time
from types import SimpleNamespace
from typing import Any

import pytest

from pybpf.errors import UsageError
from pybpf.gadget import inflight
from pybpf.gadget.inflight import InFlight, in_flight
from pybpf.spec import CString, Flat, Int, Layout, MapSpec, Pointer, Struct

U32, U64 = Int("u32", 4), Int("u64", 8)


class Op(enum.IntEnum):
    READ = 1


KEY = Struct("Key", [("tid", U32), ("op", Int("Op", 4, names=Op))])
VALUE = Struct(
    "Start",
    [("ts", U64), ("offset", U64), ("dentry", Pointer("struct dentry *")), ("name", CString(8))],
)


def a_map(key: Layout, value: Layout, *elements: tuple[tuple[Any, ...], tuple[Any, ...]]) -> Any:
    spec = MapSpec("starts", 1, key.size, value.size, 8, key=key, value=value)
    packed = [(Flat(key).pack(first), Flat(value).pack(second)) for first, second in elements]
    return SimpleNamespace(name="starts", spec=spec, items=lambda: iter(packed))


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "clock_gettime_ns", lambda clock: 10_000_000_000)
    monkeypatch.setattr(inflight, "comm", {12: "cat"}.get)


def test_the_oldest_first() -> None:
    found = in_flight(
        a_map(
            KEY,
            VALUE,
            ((12, 1), (9_500_000_000, 0, 0xFFFF, b"one")),
            ((13, 7), (1_000_000_000, 5, 0, b"")),
            ((14, 1), (10_000_000_001, 0, 0, b"")),  # begun since the clock was read
        )
    )
    assert found == [
        InFlight(9.0, "tid 13, op 7, offset 5"),
        InFlight(0.5, "tid 12 (cat), op READ, name one"),
        InFlight(0.0, "tid 14, op READ"),
    ]


def test_a_time_alone() -> None:
    assert in_flight(a_map(U64, U64, ((3,), (8_000_000_000,)))) == [InFlight(2.0, "key 3")]


def test_a_map_that_holds_no_times() -> None:
    with pytest.raises(UsageError) as caught:
        in_flight(a_map(U32, KEY))
    assert str(caught.value) == "starts doesn't say when something began: its values have no ts: u64"
