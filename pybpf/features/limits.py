"""How much there can be of something."""

from __future__ import annotations

import resource

from pybpf.features.feature import Feature
from pybpf.sys import cpus, memlock
from pybpf.sys.files import read_text
from pybpf.sys.pages import PAGE
from pybpf.sys.privilege import privilege

__all__ = ["limits"]

# What no kernel from 5.2 to 7.3 can be told otherwise (include/linux/filter.h, bpf.h, percpu.h).
_FIXED = (
    ("stack of a program", "512 bytes, with those that it calls"),
    ("what the verifier looks at", "1000000 instructions on all paths (5.2)"),
    ("value of a per-CPU map", "32768 bytes"),
    ("programs on a function or event", "38 by fentry and fexit, 64 by others"),
)
_READ = (
    ("memory for machine code, for users other than root", "/proc/sys/net/core/bpf_jit_limit", "bytes"),
    ("memory for perf buffers of a user, each CPU", "/proc/sys/kernel/perf_event_mlock_kb", "KiB"),
    ("samples", "/proc/sys/kernel/perf_event_max_sample_rate", "a second on each CPU"),
    ("functions of a stack trace", "/proc/sys/kernel/perf_event_max_stack", ""),
)


def limits() -> list[Feature]:
    """Those of the kernel, of its settings, and of this process."""
    found = [_memory(), Feature("open files", "", value=str(resource.getrlimit(resource.RLIMIT_NOFILE)[0]))]
    found += [Feature(name, "", value=value) for name, value in _FIXED]
    for name, path, unit in _READ:
        text = read_text(path)
        if text:
            found.append(Feature(name, "", value=f"{text} {unit}".rstrip()))
    found.append(Feature("processors", "", value=f"{len(cpus.online())} of {len(cpus.possible())} online"))
    found.append(Feature("page", "", value=f"{PAGE} bytes"))
    return found


def _memory() -> Feature:
    name, since = "memory of maps and programs", "5.11"
    if not memlock.charged():
        return Feature(name, since, value="counted against the control group's")
    limit = memlock.limit()
    if limit is None or "CAP_SYS_RESOURCE" in privilege().capabilities:
        return Feature(name, since, value="RLIMIT_MEMLOCK, which is lifted")
    return Feature(
        name, since, f"RLIMIT_MEMLOCK is {limit >> 10} KiB: ulimit -l unlimited, or give it CAP_SYS_RESOURCE"
    )
