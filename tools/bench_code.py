#!/usr/bin/env python3
"""What the programs of trace_fsslower cost, beside those of other tracers, in one guest.

usage: tools/bench code [--kernel 6.12]

In a guest whose clock counts executed instructions (QEMU's -icount), the kernel's own statistics
(kernel.bpf_stats_enabled) give the instructions executed by a run of each program. Printed are the loaded
instructions (xlated, 8 bytes each), and those executed when an operation is too quick to show, and when it
is shown. Peers are left out where their packages are not installed: libbpf-tools (fsslower), bpftrace.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

ROUNDS = 500
BPFTRACE = """
kprobe:ext4_file_read_iter, kprobe:ext4_file_write_iter { @start[tid] = nsecs; }
kretprobe:ext4_file_read_iter, kretprobe:ext4_file_write_iter /@start[tid]/ {
    $us = (nsecs - @start[tid]) / 1000; delete(@start[tid]);
    if ($us > 10000000) { printf("%s %d %d\\n", comm, pid, $us); }
}
"""


class Cost(NamedTuple):
    """Of one program: instructions loaded, and executed a run."""

    loaded: int
    executed: float
    runs: int


def program_ids() -> Iterator[int]:
    """The ids of all loaded programs."""
    from pybpf.sys import query
    from pybpf.uapi import bpf

    number = 0
    with contextlib.suppress(OSError):
        while True:
            number = query(bpf.BPF_PROG_GET_NEXT_ID, ("next_id",), start_id=number)[1]
            yield number


def costs() -> dict[str, Cost]:
    """The programs that have run, by name."""
    from pybpf.sys import Fd, command, object_info
    from pybpf.uapi import bpf

    found: dict[str, Cost] = {}
    for number in program_ids():
        with Fd(command(bpf.BPF_PROG_GET_FD_BY_ID, start_id=number), f"program {number}") as fd:
            fields = ("name", "xlated_prog_len", "run_cnt", "run_time_ns")
            name, size, runs, spent = object_info(fd.fileno(), "prog", *fields)
        if runs:
            text = name.rstrip(b"\0").decode()
            while text in found:  # some tracers give all their programs one name
                text += "'"
            found[text] = Cost(size // 8, spent / runs, runs)
    return found


def work(folder: Path) -> None:
    """Each of the five operations, ROUNDS times."""
    path = folder / "file"
    path.write_bytes(b"x" * 4096)
    fd = os.open(path, os.O_RDWR)
    for _ in range(ROUNDS):
        os.pread(fd, 1, 0)
    for _ in range(ROUNDS):
        os.pwrite(fd, b"x", 0)
    for _ in range(ROUNDS // 10):
        os.fsync(fd)
        os.statvfs(folder)
        os.close(os.open(path, os.O_RDONLY))
    os.close(fd)


@contextlib.contextmanager
def tracer(command: list[str], ready: str) -> Iterator[None]:
    """A tracer that is attached while the block runs; it says `ready` on its output when it is."""
    output = Path("/tmp/tracer")
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    try:
        while ready not in output.read_text(errors="replace"):
            if process.poll() is not None:
                sys.exit(f"{command[0]} ended: {output.read_text(errors='replace')}")
            time.sleep(0.2)
        time.sleep(0.5)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


@contextlib.contextmanager
def ext4() -> Iterator[Path]:
    """A new ext4 file system, mounted while the block runs."""
    folder, image = Path("/mnt/bench"), "/dev/shm/bench.img"
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["modprobe", "ext4"], check=True)
    subprocess.run(["truncate", "-s", "64M", image], check=True)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def table(title: str, programs: dict[str, Cost]) -> None:
    """Print what programs cost."""
    print(f"\n{title}\n{'PROGRAM':24}{'LOADED':>8}{'EXECUTED':>10}{'RUNS':>7}")
    for name, cost in sorted(programs.items()):
        print(f"{name:24}{cost.loaded:8}{cost.executed:10.0f}{cost.runs:7}")
    sys.stdout.flush()


def in_guest() -> None:
    """Measure, in a guest that counts instructions."""
    Path("/proc/sys/kernel/bpf_stats_enabled").write_text("1")
    with ext4() as folder:
        _measure(folder)


def _measure(folder: Path) -> None:
    ours = ["pybpf", "run", "trace_fsslower", "-o", "json", "--min"]
    ways = {
        "pybpf, too quick to show": ([*ours, "60000000"], "tracing"),
        "pybpf, too quick, perf buffer": ([*ours, "60000000", "--buffer", "perf"], "tracing"),
        "pybpf, all shown": ([*ours, "0"], "tracing"),
        "pybpf, all shown, perf buffer": ([*ours, "0", "--buffer", "perf"], "tracing"),
        "pybpf, filters on pid and mount namespace": (
            [
                *ours,
                "60000000",
                "--pid",
                str(os.getpid()),
                "--mntns",
                str(os.stat("/proc/self/ns/mnt").st_ino),
            ],
            "tracing",
        ),
        "fsslower of libbpf-tools, too quick to show": (["fsslower", "-t", "ext4", "-m", "60000"], "Tracing"),
        "fsslower of libbpf-tools, all shown": (["fsslower", "-t", "ext4", "-m", "0"], "Tracing"),
        "bpftrace, too quick to show": (["bpftrace", "-e", BPFTRACE], "Attach"),
    }
    for title, (command, ready) in ways.items():
        if shutil.which(command[0]) is None:
            print(f"\n{title}: not measured, since {command[0]} is not installed")
            continue
        with tracer(command, ready):
            work(folder)
            found = costs()
        table(title, found)


def boot_and(measure: Callable[[], None], name: str, about: str | None) -> None:
    """What `tools/bench NAME` does: boot the guest and measure in it; there, `measure`."""
    parser = argparse.ArgumentParser(
        prog=f"tools/bench {name}", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kernel", default="6.12", help="the guest's kernel (default 6.12)")
    parser.add_argument("--guest", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.guest:
        measure()
        return
    here = Path(__file__).parent
    command = [here / "vm", "run", "--kernel", options.kernel, "--icount", "--timeout", "1500", "--"]
    command += ["python", here / f"bench_{name}.py", "--guest"]
    sys.exit(subprocess.run(list(map(str, command))).returncode)


if __name__ == "__main__":
    boot_and(in_guest, "code", __doc__)
