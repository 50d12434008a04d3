#!/usr/bin/env python3
"""What the programs of trace_fsslower cost, beside those of other tracers, in one guest.

usage: tools/bench code [--kernel 6.12]

In a guest whose clock counts executed instructions (QEMU's -icount), the kernel's own statistics
(kernel.bpf_stats_enabled) give the instructions executed by a run of each program. Printed are the loaded
instructions (xlated, 8 bytes each; of the largest program), and those executed (of the dearest). Peers are
the same job in C by clang -O2 -mcpu=v3 (tools/fsslower.bpf.c), libbpf-tools' fsslower and bpftrace, as far
as their packages are installed; all are kprobes and kretprobes. The floor is hand-written assembly that does
nothing but what must be done. First comes how long lowering and optimising takes, on this machine.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import time
from pathlib import Path

from code_costs import ENTRY, EXIT, Cost, costs, floor, keep_statistics
from code_tracers import bpftrace, clang, compile_c, fsslower, ours
from guest_bench import LeftOut, boot_and, ext4

OBJECTS = Path(__file__).parents[1] / ".cache" / "bench"
NEVER = 60_000_000  # microseconds: nothing takes that long
ASKED = {
    "read, write entry": Cost(38, 760),
    "open, sync, statfs entry": Cost(28, 600),
    "exit, too quick to show": Cost(110, 470),
    "exit with an event": Cost(110, 3200),
}
WIDTH = 16
STARTED = time.monotonic()


def say(text: str) -> None:
    """One line of progress."""
    print(f"bench: {time.monotonic() - STARTED:5.1f} s  {text}", file=sys.stderr, flush=True)


def work(folder: Path, rounds: int) -> None:
    """Each of the five operations; 1-byte reads and writes `rounds` times."""
    path = folder / "file"
    path.write_bytes(b"x" * 4096)
    fd = os.open(path, os.O_RDWR)
    for _ in range(rounds):
        os.pread(fd, 1, 0)
        os.pwrite(fd, b"x", 0)
    for _ in range(rounds // 10):
        os.fsync(fd)
        os.statvfs(folder)
        os.close(os.open(path, os.O_RDONLY))
    os.close(fd)


def told_apart(found: dict[str, Cost]) -> dict[str, Cost]:
    """Programs of one name, cut at 15 letters or a function's, are its entry and its exit: the larger one."""
    for name in [each for each in found if f"{each}'" in found]:
        small, large = sorted((found.pop(name), found.pop(f"{name}'")))
        found.update({f"kprobe {name}": small, f"kretprobe {name}": large})
    return found


def row_of(program: str, shown: bool) -> str | None:
    """Which row of the table a program belongs to, by its name."""
    if program.endswith("_x") or "exit" in program or program.startswith("kretprobe"):
        return "exit with an event" if shown else "exit, too quick to show"
    if shown or not (program.endswith("_e") or "entr" in program or program.startswith("kprobe")):
        return None
    transfer = any(word in program for word in ("read", "write", "wr_"))
    return "read, write entry" if transfer else "open, sync, statfs entry"


def measure(tracer: contextlib.AbstractContextManager[None], folder: Path, shown: bool) -> dict[str, Cost]:
    """What a tracer's programs cost, by rows of the table: the worst of each row's."""
    with tracer:
        work(folder, 100 if shown else 500)
        found = costs()
    rows: dict[str, Cost] = {}
    for name, cost in told_apart(found).items():
        row = row_of(name, shown)
        if row:
            before = rows.get(row, cost)
            rows[row] = Cost(max(before.loaded, cost.loaded), max(before.executed, cost.executed))
    return rows


def table(title: str, columns: dict[str, dict[str, Cost]]) -> None:
    """Print what each tracer's programs cost, and what was asked for."""
    columns = {**columns, "asked, at most": ASKED}
    print(f"\n{title:28}" + "".join(f"{name:>{WIDTH}}" for name in columns))
    print(f"{'':28}" + f"{'loaded executed':>{WIDTH}}" * len(columns))
    for row in ASKED:
        cells = [column.get(row) for column in columns.values()]
        texts = [f"{cell.loaded:7}{cell.executed:9.0f}" if cell else f"{'-':>7}{'-':>9}" for cell in cells]
        print(f"{row:28}" + "".join(texts))
    sys.stdout.flush()


def floors() -> None:
    """Print the least that an entry and an exit can cost, step by step."""
    for title, steps, present in (("entry", ENTRY, False), ("exit, too quick to show", EXIT, True)):
        say(f"floor of {title}")
        found = floor(steps, present)
        last = list(found.values())[-1]
        print(f"\nfloor of an {title}: {last.loaded} loaded, {last.executed:.0f} executed, of which")
        before = 0.0
        for step, cost in found.items():
            print(f"  {step:30}{cost.executed - before:8.0f}")
            before = cost.executed


def in_guest() -> None:
    """Measure, in a guest that counts instructions."""
    keep_statistics()
    floors()
    with ext4() as folder:
        compare(folder)


def compare(folder: Path) -> None:
    """Print the tables: for each buffer, without and with filters."""
    mine = {"pid": os.getpid(), "mntns": os.stat("/proc/self/ns/mnt").st_ino}
    for title, buffer, filters in (
        ("ring buffer, no filters", "ringbuf", False),
        ("perf buffer, no filters", "perf", False),
        ("ring buffer, pid and mntns", "ringbuf", True),
        ("perf buffer, pid and mntns", "perf", True),
    ):
        columns: dict[str, dict[str, Cost]] = {}
        values = mine if filters else {}
        for shown in (False, True):
            minimum = 0 if shown else NEVER
            tracers: dict[str, contextlib.AbstractContextManager[None]] = {
                "pybpf": ours(minimum, buffer, values),
                "clang": clang(OBJECTS, minimum, buffer, values),
            }
            if not filters and buffer == "ringbuf":
                tracers["libbpf-tools"] = fsslower(minimum)
                tracers["bpftrace"] = bpftrace(minimum)
            for tracer, attached in tracers.items():
                say(f"{tracer}: {title}, {'all shown' if shown else 'nothing shown'}")
                try:
                    columns.setdefault(tracer, {}).update(measure(attached, folder, shown))
                except LeftOut as why:
                    print(f"{tracer} is left out: {why}")
        table(title, columns)


def lowering() -> None:
    """Print how long it takes to lower trace_fsslower: imports and the kernel's types are there already."""
    from pybpf.btf import reference
    from pybpf.dsl import lower
    from pybpf.gadget import programs
    from pybpf.spec import Target

    program = programs.load("trace_fsslower")
    target = Target("bench", reference())
    spent = []
    for _ in range(12):
        begin = time.process_time()
        lower(program.declarations, {}, target)
        spent.append(1000 * (time.process_time() - begin))
    print(
        f"lowering and optimising trace_fsslower: {statistics.median(spent[2:]):.0f} ms (asked: at most 60)"
    )
    sys.stdout.flush()


def prepare() -> None:
    """What is done on this machine before the guest boots."""
    lowering()
    OBJECTS.mkdir(parents=True, exist_ok=True)
    compile_c(OBJECTS)


if __name__ == "__main__":
    boot_and(in_guest, "code", __doc__, prepare)
