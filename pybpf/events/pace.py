"""When to take events out of a buffer: at once while they trickle, in large batches when they flood."""

from __future__ import annotations

__all__ = ["Pace"]

# Events are shown within this time, in seconds, and much sooner when few come.
_LONGEST = 0.01
# poll(2) counts in milliseconds: what is shorter is no nap.
_SHORTEST = 0.001
# Below this many bytes a second each event may wake the reader.
_TRICKLE = 32 * 1024
# The part of the buffer that may fill up during a nap at the rate seen before it: the rest is for bursts.
_FILL = 1 / 8


class Pace:
    """Says how long to let events gather, from how fast they came, into a buffer of `room` bytes.

    Nobody is woken during a nap: a ring buffer wakes only a reader that has taken all that was there. So a
    flood costs its senders as little as its reader.
    """

    def __init__(self, room: int, now: float) -> None:
        self._room = room * _FILL
        self._since = now

    def nap(self, taken: int, now: float) -> float:
        """Seconds to wait after `taken` bytes were taken at the time `now`, before looking again."""
        passed = max(now - self._since, 1e-6)
        self._since = now
        rate = taken / passed
        nap = min(_LONGEST, self._room / rate) if rate >= _TRICKLE else 0.0
        return nap if nap >= _SHORTEST else 0.0
