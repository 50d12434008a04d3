#!/usr/bin/env python3
"""What each back-end of probes on kernel functions adds to an operation.

usage: tools/bench attach [--kernel 6.12]

In a guest with one CPU, whose clock counts executed instructions (QEMU's -icount), trace_fsslower is
attached by each back-end that the kernel has, with a threshold that nothing reaches: what a read and a write
of one byte take on ext4, in instructions, and how much of that the tracer adds. The last column is from exec
to attached, in millions.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from bench_code import ext4, tracer

ROUNDS = 5000
BACKENDS = ("fentry", "session", "multi", "kprobe", "tracefs")


def per_call(file: int) -> tuple[float, float]:
    """Instructions of a read and of a write, the least of some rounds."""

    def least(call: object, *words: object) -> float:
        assert callable(call)
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
            except SystemExit:
                print(f"{name:10}this kernel hasn't got it")
                continue
            print(f"{name:10}{each:8.0f}{each - read:8.0f}{other:8.0f}{other - write:8.0f}{taken / 1e6:8.0f}")
            sys.stdout.flush()
        os.close(file)


def main() -> None:
    """Read the options; boot the guest, or measure in it."""
    parser = argparse.ArgumentParser(
        prog="tools/bench attach", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kernel", default="6.12", help="the guest's kernel (default 6.12)")
    parser.add_argument("--guest", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.guest:
        in_guest()
        return
    here = Path(__file__).parent
    command = [here / "vm", "run", "--kernel", options.kernel, "--icount", "--timeout", "1500", "--"]
    sys.exit(
        subprocess.run([*map(str, command), "python", str(here / "bench_attach.py"), "--guest"]).returncode
    )


if __name__ == "__main__":
    main()
