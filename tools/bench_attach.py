#!/usr/bin/env python3
"""What each back-end of probes on kernel functions adds to an operation.

usage: tools/bench attach [--kernel 6.12]

In a guest with one CPU, whose clock counts executed instructions (QEMU's -icount), trace_fsslower is
attached by each back-end that the kernel has, with a threshold that nothing reaches: what a read and a write
of one byte take on ext4, in instructions, and how much of that the tracer adds. The last column is from exec
to attached, in millions.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from guest_bench import LeftOut, boot_and, ext4, tracer

ROUNDS = 5000
BACKENDS = ("fentry", "session", "kprobe", "multi", "tracefs")


def per_call(file: int) -> tuple[float, float]:
    """Instructions of a read and of a write, the least of some rounds."""

    def least(call: Callable[..., object], *words: object) -> float:
        best = float("inf")
        for _ in range(5):
            start = time.perf_counter_ns()
            for _ in range(ROUNDS):
                call(*words)
            best = min(best, (time.perf_counter_ns() - start) / ROUNDS)
        return best

    return least(os.pread, file, 1, 0), least(os.pwrite, file, b"x", 0)


def in_guest() -> None:
    """Measure, in a guest that counts instructions."""
    with ext4() as folder:
        file = os.open(folder / "file", os.O_RDWR | os.O_CREAT)
        os.pwrite(file, b"x", 0)
        per_call(file)
        read, write = per_call(file)
        print(f"{'BACK-END':10}{'READ':>8}{'ADDED':>8}{'WRITE':>8}{'ADDED':>8}{'START':>8}")
        print(f"{'none':10}{read:8.0f}{'':8}{write:8.0f}")
        for name in BACKENDS:
            command = ["pybpf", "run", "trace_fsslower", "--min", "60000000", "--attach", name, "--strict"]
            start = time.perf_counter_ns()
            try:
                with tracer(command, "tracing"):
                    taken = time.perf_counter_ns() - start
                    each, other = per_call(file)
            except LeftOut:
                print(f"{name:10}this kernel hasn't got it")
                continue
            print(f"{name:10}{each:8.0f}{each - read:8.0f}{other:8.0f}{other - write:8.0f}{taken / 1e6:8.0f}")
            sys.stdout.flush()
        os.close(file)


if __name__ == "__main__":
    boot_and(in_guest, "attach", __doc__)
