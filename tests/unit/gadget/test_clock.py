"""Boot time becomes wall-clock time."""

from __future__ import annotations

import time

import pytest

from pybpf.gadget.clock import Clock


def test_now() -> None:
    clock = Clock()
    wall = clock.wall(time.clock_gettime_ns(time.CLOCK_BOOTTIME))
    assert abs(wall - time.time_ns()) < 1_000_000_000


@pytest.mark.parametrize(("step", "taken"), [(50_000, False), (-50_000, False), (3_600 * 10**9, True)])
def test_the_wall_clock_is_set(monkeypatch: pytest.MonkeyPatch, step: int, taken: bool) -> None:
    clocks = {time.CLOCK_BOOTTIME: 1_000, time.CLOCK_REALTIME: 5_000}
    monkeypatch.setattr(time, "clock_gettime_ns", clocks.__getitem__)
    clock = Clock()
    assert clock.wall(1) == 4_001
    clocks[time.CLOCK_REALTIME] += step
    clock.refresh()
    assert clock.wall(1) == 4_001 + step * taken


def test_a_reading_that_was_interrupted_is_no_change(monkeypatch: pytest.MonkeyPatch) -> None:
    boot = iter([0, 0, 0, 0, 0, 0, 0, 10**9, 3 * 10**9, 0])
    clocks = {time.CLOCK_BOOTTIME: lambda: next(boot), time.CLOCK_REALTIME: lambda: 5_000}
    monkeypatch.setattr(time, "clock_gettime_ns", lambda which: clocks[which]())
    clock = Clock()
    clock.refresh()
    assert clock.wall(1) == 5_001


def test_a_kernel_that_cannot_tell_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = {time.CLOCK_BOOTTIME: 1_000, time.CLOCK_REALTIME: 5_000}
    monkeypatch.setattr(time, "clock_gettime_ns", clocks.__getitem__)
    clock = Clock()
    clocks.update({time.CLOCK_BOOTTIME: 2_000, time.CLOCK_REALTIME: 6_000})
    clock.refresh()
    assert clock.wall(0) == 6_000


def test_text(clock: Clock) -> None:
    assert clock.text(86_400_999_999_999) == "2024-03-01T12:00:00.999999999Z"
