"""perf_event: a program that runs again and again while an event goes on, on every CPU (4.9)."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from functools import partial

from pybpf.errors import SyscallError, near
from pybpf.link import event
from pybpf.link.link import Link
from pybpf.sys import cpus
from pybpf.sys.files import read_text
from pybpf.uapi import perf_event

__all__ = ["EVENTS", "absent", "attach", "there"]

# By the names that perf-list(1) has for them.
_SOFTWARE = {
    "cpu-clock": perf_event.PERF_COUNT_SW_CPU_CLOCK,
    "task-clock": perf_event.PERF_COUNT_SW_TASK_CLOCK,
    "page-faults": perf_event.PERF_COUNT_SW_PAGE_FAULTS,
    "faults": perf_event.PERF_COUNT_SW_PAGE_FAULTS,
    "context-switches": perf_event.PERF_COUNT_SW_CONTEXT_SWITCHES,
    "cs": perf_event.PERF_COUNT_SW_CONTEXT_SWITCHES,
    "cpu-migrations": perf_event.PERF_COUNT_SW_CPU_MIGRATIONS,
    "migrations": perf_event.PERF_COUNT_SW_CPU_MIGRATIONS,
    "minor-faults": perf_event.PERF_COUNT_SW_PAGE_FAULTS_MIN,
    "major-faults": perf_event.PERF_COUNT_SW_PAGE_FAULTS_MAJ,
    "alignment-faults": perf_event.PERF_COUNT_SW_ALIGNMENT_FAULTS,
    "emulation-faults": perf_event.PERF_COUNT_SW_EMULATION_FAULTS,
    "cgroup-switches": perf_event.PERF_COUNT_SW_CGROUP_SWITCHES,
}
_HARDWARE = {
    "cycles": perf_event.PERF_COUNT_HW_CPU_CYCLES,
    "cpu-cycles": perf_event.PERF_COUNT_HW_CPU_CYCLES,
    "instructions": perf_event.PERF_COUNT_HW_INSTRUCTIONS,
    "cache-references": perf_event.PERF_COUNT_HW_CACHE_REFERENCES,
    "cache-misses": perf_event.PERF_COUNT_HW_CACHE_MISSES,
    "branches": perf_event.PERF_COUNT_HW_BRANCH_INSTRUCTIONS,
    "branch-instructions": perf_event.PERF_COUNT_HW_BRANCH_INSTRUCTIONS,
    "branch-misses": perf_event.PERF_COUNT_HW_BRANCH_MISSES,
    "bus-cycles": perf_event.PERF_COUNT_HW_BUS_CYCLES,
    "stalled-cycles-frontend": perf_event.PERF_COUNT_HW_STALLED_CYCLES_FRONTEND,
    "stalled-cycles-backend": perf_event.PERF_COUNT_HW_STALLED_CYCLES_BACKEND,
    "ref-cycles": perf_event.PERF_COUNT_HW_REF_CPU_CYCLES,
}
EVENTS = {
    **{name: (perf_event.PERF_TYPE_SOFTWARE, number) for name, number in _SOFTWARE.items()},
    **{name: (perf_event.PERF_TYPE_HARDWARE, number) for name, number in _HARDWARE.items()},
}
_FREQ = 1 << 10  # of the flags in perf_event_attr: sample_period is a frequency


def there(names: Iterable[str]) -> set[str]:
    """Which of these (`event/freq=99/`) name an event; whether it is counted here shows when attaching."""
    return {name for name in names if name.partition("/")[0] in EVENTS}


def absent(name: str) -> str:
    """Why there is no such event."""
    own = name.partition("/")[0]
    return f"there is no event {own!r}{near(own, EVENTS)}"


def _why(kind: int, unit: str, rate: int, error: SyscallError) -> str:
    """What a failed perf_event_open means here (kernel/events/core.c)."""
    if kind == perf_event.PERF_TYPE_HARDWARE and error.errno in (errno.ENOENT, errno.EOPNOTSUPP):
        return "this processor, or the virtual machine, doesn't count that: cpu-clock works everywhere"
    most = int(read_text("/proc/sys/kernel/perf_event_max_sample_rate") or 0)
    if error.errno == errno.EINVAL and unit == "freq" and rate > most:
        return f"kernel.perf_event_max_sample_rate allows {most} a second"
    return ""


def attach(program: int, symbol: str, *, cookie: int = 0) -> Link:
    """Run the program (its descriptor) on every CPU that is online, as often as `cpu-clock/freq=99/` says.

    `cookie`: see `event.attach`. Raises LoadError (`.name` is the event: not counted here, too often),
    UnsupportedFeature (a cookie) and SyscallError.
    """
    name, _, rest = symbol.strip("/").partition("/")
    unit, _, rate = rest.partition("=")
    kind, number = EVENTS[name]
    return event.attach(
        "perf_event",
        symbol,
        program,
        partial(_why, kind, unit, int(rate)),
        on=cpus.online(),
        cookie=cookie,
        type=kind,
        config=number,
        sample_period=int(rate),
        flags=_FREQ if unit == "freq" else 0,
    )
