"""Records as a buffer hands them out: in one piece of memory, in runs of the same length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["MOST", "PART", "Records", "Run", "equal", "stride"]

# (at, length, count): where the header of the first record is, how long each record is, how many there are.
Run = tuple[int, int, int]
# What is taken out of a buffer at a time, in bytes (no perf record is longer), and the most records of a run.
# Both stay in a processor's cache until they're dealt with.
PART = 64 * 1024
MOST = 512


class Records(NamedTuple):
    """A copy of a part of a buffer, and the records in it, each with `head` bytes of header before it.

    The records of a run are `stride(head, length)` bytes apart; `at` counts from the start of `data`.
    """

    data: bytes
    head: int
    runs: Sequence[Run]

    def split(self) -> list[bytes]:
        """Each record as its own bytes."""
        records = []
        for at, length, count in self.runs:
            start, step = at + self.head, stride(self.head, length)
            stop = start + count * step
            records += [self.data[first : first + length] for first in range(start, stop, step)]
        return records


def stride(head: int, length: int) -> int:
    """From a record's header to that of the next: headers are at multiples of 8 bytes in both buffers."""
    return (head + length + 7) & -8


def equal(words: memoryview, at: int, step: int, stop: int) -> int:
    """How many of the words at `at`, `at + step`, … below `stop` are like the first: a run's, up to MOST.

    Compares 1, 2, 4, … at once: a long run costs little, and a short one no more than it is long. May stop
    before the run does.
    """
    most = min(MOST, (stop - at + step - 1) // step)
    count = ask = 1
    while count < most:
        here, span = at + count * step, min(ask, most - count) * step
        if words[here - step : here - step + span : step] != words[here : here + span : step]:
            break
        count += span // step
        ask *= 2
    return count
