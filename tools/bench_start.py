#!/usr/bin/env python3
"""How soon a tracer is attached, and how much memory it takes, beside other tracers.

usage: tools/bench start [--kernel 6.12] [--native]

Natively: what Python, `import pybpf` and `pybpf --help` take. In a guest whose clock counts executed
instructions (QEMU's -icount): from exec to attached, and the peak of resident memory, of `pybpf run
trace_fsslower` and of those peers whose packages are installed: fsslower (libbpf-tools), bpftrace.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from bench_code import BPFTRACE

NATIVE = {
    "python3 -c pass": [sys.executable, "-c", "pass"],
    "import pybpf": [sys.executable, "-c", "import pybpf"],
    "pybpf --help": [
        sys.executable,
        "-c",
        "import sys; from pybpf.cli import main; sys.exit(main(['--help']))",
    ],
    "pybpf inspect trace_fsslower": [
        sys.executable,
        "-c",
        "import sys; from pybpf.cli import main; sys.exit(main(['inspect', 'trace_fsslower']))",
    ],
}
TRACERS = {
    "pybpf run trace_fsslower": (["pybpf", "run", "trace_fsslower"], "tracing"),
    "the same, once more": (["pybpf", "run", "trace_fsslower"], "tracing"),
    "python3 -c pass": (
        ["python3", "-c", "print('ready', flush=True); import time; time.sleep(60)"],
        "ready",
    ),
    "fsslower of libbpf-tools": (["fsslower", "-t", "ext4"], "Tracing"),
    "bpftrace, reads and writes": (["bpftrace", "-e", BPFTRACE], "Attach"),
}


def processor_time(command: list[str], rounds: int = 15) -> float:
    """The least time that a process took of the processor, in milliseconds."""
    best = float("inf")
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        best = min(best, spent * 1000)
    return best


def natively() -> None:
    """Measure what no kernel is needed for."""
    print(f"{'NATIVELY':32}{'CPU MS':>8}{'ABOVE PYTHON':>14}")
    floor = 0.0
    for name, command in NATIVE.items():
        spent = processor_time(command)
        floor = floor or spent
        print(f"{name:32}{spent:8.1f}{spent - floor:14.1f}")


def attached(command: list[str], ready: str) -> tuple[float, float]:
    """From exec to attached, in millions of the clock's nanoseconds, and the peak of memory in MB."""
    output = Path("/tmp/tracer")
    with output.open("wb") as file:
        started = time.monotonic_ns()
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    memory = 0
    while ready not in output.read_text(errors="replace"):
        if process.poll() is not None:
            sys.exit(f"{command[0]} ended: {output.read_text(errors='replace')}")
        time.sleep(0.005)
    spent = time.monotonic_ns() - started
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            memory = int(line.split()[1])
    process.send_signal(signal.SIGINT)
    process.wait()
    return spent / 1e6, memory / 1024


def in_guest() -> None:
    """Measure, in a guest that counts instructions."""
    subprocess.run(["modprobe", "ext4"], check=True)
    print(f"{'IN THE GUEST':32}{'M INSTRUCTIONS':>15}{'PEAK MB':>9}")
    for name, (command, ready) in TRACERS.items():
        if shutil.which(command[0]) is None:
            print(f"{name:32} not measured, since {command[0]} is not installed")
            continue
        spent, memory = attached(command, ready)
        print(f"{name:32}{spent:15.0f}{memory:9.1f}", flush=True)


def main() -> None:
    """Read the options; measure natively, then boot the guest, or measure in it."""
    parser = argparse.ArgumentParser(
        prog="tools/bench start", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kernel", default="6.12", help="the guest's kernel (default 6.12)")
    parser.add_argument("--native", action="store_true", help="leave the guest out")
    parser.add_argument("--guest", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.guest:
        in_guest()
        return
    natively()
    if options.native:
        return
    here = Path(__file__).parent
    command = [here / "vm", "run", "--kernel", options.kernel, "--icount", "--timeout", "900", "--"]
    sys.exit(
        subprocess.run([*map(str, command), "python", str(here / "bench_start.py"), "--guest"]).returncode
    )


if __name__ == "__main__":
    main()
