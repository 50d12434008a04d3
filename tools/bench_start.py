#!/usr/bin/env python3
"""How soon a tracer is attached, and how much memory it takes, beside other tracers.

usage: tools/bench start [--kernel 6.12] [--native]

Natively: what Python, `import pybpf` and `pybpf --help` take. In a guest whose clock counts executed
instructions (QEMU's -icount): from exec to attached, and the peak of resident memory, of `pybpf run
trace_fsslower` and of the same job by its peers: bpftrace of the Debian suite that the kernel is from, which
is fetched, and what is installed (tools/setup --peers) of bpftrace and libbpf-tools' fsslower. All run once
before they are measured, so that files are in the guest's page cache.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

from peers import peer

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
# What trace_fsslower does, for bpftrace: a time by thread on entry to five functions, a threshold on return.
FUNCTIONS = [
    f"ext4_{name}" for name in ("file_read_iter", "file_write_iter", "file_open", "sync_file", "statfs")
]
BPFTRACE = f"""
{", ".join(f"kprobe:{name}" for name in FUNCTIONS)} {{ @start[tid] = nsecs; }}
{", ".join(f"kretprobe:{name}" for name in FUNCTIONS)} /@start[tid]/ {{
    $us = (nsecs - @start[tid]) / 1000; delete(@start[tid]);
    if ($us > 10000) {{ printf("%s %d %d\\n", comm, pid, $us); }}
}}
"""
OURS = "pybpf run trace_fsslower"
KPROBES = Path("/sys/kernel/debug/kprobes/list")
# Each command with what it says once it is attached; bpftrace says it before that.
TRACERS: dict[str, tuple[list[str], str, int]] = {
    "python3 -c pass": (["python3", "-c", "print('ready'); import time; time.sleep(60)"], "ready", 0),
    OURS: (["pybpf", "run", "trace_fsslower"], "tracing", 0),
    "the same, nothing kept": (
        ["env", "XDG_CACHE_HOME=/dev/null", "pybpf", "run", "trace_fsslower"],
        "tracing",
        0,
    ),
    "fsslower of libbpf-tools": (["fsslower", "-t", "ext4"], "Tracing", 0),
    "bpftrace of this machine": (["bpftrace", "-e", BPFTRACE], "Attach", 2 * len(FUNCTIONS)),
}
ROUNDS = 3


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


def attached(command: list[str], ready: str, probes: int = 0) -> tuple[float, float]:
    """From exec to attached, in millions of the clock's nanoseconds, and the peak of memory in MB.

    Attached it is when it has said that it is `ready`, and the kernel has so many kprobes.
    """
    ours, theirs = os.openpty()  # a terminal, to which C programs write a line at a time
    started = time.monotonic_ns()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
    os.close(theirs)
    text = b""
    while ready.encode() not in text:
        try:
            text += os.read(ours, 4096)
        except OSError:  # nobody has it open any more
            sys.exit(f"{command[0]} ended: {text.decode(errors='replace')}")
    while len(KPROBES.read_text().splitlines()) < probes:
        time.sleep(0.002)
    spent = time.monotonic_ns() - started
    status = Path(f"/proc/{process.pid}/status").read_text()
    memory = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    process.kill()  # bpftrace may miss a SIGINT so soon
    process.wait()
    os.close(ours)
    return spent / 1e6, memory / 1024


def in_guest(kernel: str) -> None:
    """Measure, in a guest that counts instructions; of several times the least, since waiting counts too."""
    subprocess.run(["modprobe", "ext4"], check=True)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed pybpf has its bytecode beside it
    print(f"{'IN THE GUEST':32}{'FIRST':>8}{'M INSTRUCTIONS':>16}{'PEAK MB':>9}")
    found = {}
    newer = [*peer("bpftrace", kernel), "-e", BPFTRACE]
    tracers = {**TRACERS, "bpftrace of the kernel's suite": (newer, "Attach", 2 * len(FUNCTIONS))}
    for name, (command, ready, probes) in tracers.items():
        if shutil.which(command[0]) is None:
            print(f"{name:32} left out, since {command[0]} is not installed: tools/setup --peers")
            continue
        first, _ = attached(command, ready, probes)
        found[name], memory = min(attached(command, ready, probes) for _ in range(ROUNDS))
        print(f"{name:32}{first:8.0f}{found[name]:16.0f}{memory:9.1f}", flush=True)
    for name in filter(lambda name: name.startswith("bpftrace"), found):
        print(f"{OURS} takes {found[OURS] / found[name]:.3f} of the time of {name} (wanted: at most 0.25)")


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
        in_guest(options.kernel)
        return
    natively()
    if options.native:
        return
    peer("bpftrace", options.kernel)  # where there is a network
    here = Path(__file__).parent
    command = [here / "vm", "run", "--kernel", options.kernel, "--icount", "--timeout", "900", "--"]
    again = ["python", str(here / "bench_start.py"), "--guest", "--kernel", options.kernel]
    sys.exit(subprocess.run([*map(str, command), *again]).returncode)


if __name__ == "__main__":
    main()
