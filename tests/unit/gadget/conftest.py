"""An event with all kinds of fields, and a clock that stands still."""

from __future__ import annotations

import enum

import pytest

from pybpf.gadget.clock import Clock
from pybpf.spec import CString, Int, Struct


class Op(enum.IntEnum):
    F_READ = 0
    F_FSYNC = 3


u32, u64, i64 = Int("u32", 4), Int("u64", 8), Int("i64", 8, signed=True)
CREDS = Struct("Creds", [("uid", Int("uid", 4, role="uid")), ("gid", Int("gid", 4, role="gid"))])
PROCESS = Struct("Process", [("comm", CString(16)), ("pid", u32), ("creds", CREDS)])


@pytest.fixture
def layout() -> Struct:
    return Struct(
        "Event",
        [
            ("timestamp", Int("timestamp", 8, role="timestamp")),
            ("proc", PROCESS),
            ("delta_us", u64),
            ("size", i64),
            ("op", Int("Op", 4, names=Op)),
            ("file", CString(256)),
        ],
    )


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """2024-02-29T12:00:00Z was when this machine was started."""
    clock = Clock()
    monkeypatch.setattr(clock, "_distance", 1_709_208_000_000_000_000)
    return clock
