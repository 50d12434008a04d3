"""From the kernel's time since boot to wall-clock time."""

from __future__ import annotations

import functools
import time

__all__ = ["Clock"]

_SECOND = 1_000_000_000
# The two clocks are read one after the other, so their distance seems to change a little each time. Only
# more than this, in ns, is taken for a change of the wall clock.
_JITTER = 100_000


class Clock:
    """Wall-clock time of CLOCK_BOOTTIME, which `bpf_ktime_get_boot_ns` (5.8) reads; it runs on in suspend.

    A kernel without that helper sends 0, which stands for the time of the last `refresh()`.
    """

    def __init__(self) -> None:
        self._distance = min(_distance() for _ in range(3))[1]
        self._now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def refresh(self) -> None:
        """See whether the wall clock was set; once for each batch of events will do."""
        took, distance = _distance()
        self._now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        # Who was interrupted between the two readings can't tell so well.
        if abs(distance - self._distance) > _JITTER + took:
            self._distance = distance

    @property
    def state(self) -> tuple[int, int]:
        """What is added to boot time for wall-clock time, and the boot time of the last `refresh()`."""
        return self._distance, self._now

    @state.setter
    def state(self, state: tuple[int, int]) -> None:
        self._distance, self._now = state

    def wall(self, boot_ns: int) -> int:
        """Nanoseconds since 1970."""
        return (boot_ns or self._now) + self._distance

    def text(self, boot_ns: int) -> str:
        """RFC 3339 in UTC, with nanoseconds: `2024-02-29T12:00:00.000000001Z`."""
        seconds, ns = divmod((boot_ns or self._now) + self._distance, _SECOND)
        return f"{_date(seconds)}.{ns:09d}Z"


def _distance() -> tuple[int, int]:
    """How long the reading took, and what to add to boot time for wall-clock time."""
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    wall = time.clock_gettime_ns(time.CLOCK_REALTIME)
    took = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - before
    return took, wall - before - took // 2


@functools.lru_cache(maxsize=16)
def _date(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
