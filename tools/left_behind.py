"""What a tracer could leave in the kernel: pins, probes of tracefs, mounts, BPF objects."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from pybpf.errors import SyscallError
from pybpf.sys import query
from pybpf.sys.files import read_text
from pybpf.uapi import bpf

__all__ = ["left", "traces"]


def traces() -> set[str]:
    """All that there is. BPF objects only in a guest, where nobody else makes any."""
    found = {f"mount {line.split()[4]}" for line in read_text("/proc/self/mountinfo").splitlines()}
    found |= {f"pin {path}" for path in Path("/sys/fs/bpf").rglob("*")}
    for name in ("kprobe_events", "uprobe_events"):
        found |= {f"probe {line}" for line in read_text(f"/sys/kernel/tracing/{name}").splitlines()}
    if "PYBPF_GUEST" in os.environ:
        for kind in ("PROG", "MAP", "LINK"):
            found |= {f"{kind.lower()} {number}" for number in _ids(getattr(bpf, f"BPF_{kind}_GET_NEXT_ID"))}
    return found


def left(before: set[str], seconds: float = 5) -> set[str]:
    """What there is beyond `before`; the kernel frees maps a grace period after their last use."""
    end = time.monotonic() + seconds
    while (found := traces() - before) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def _ids(command: int) -> Iterator[int]:
    last = 0
    while True:
        try:
            last = query(command, ("next_id",), start_id=last)[1]
        except SyscallError:  # ENOENT at the end; EINVAL where the kernel has no links
            return
        yield last
