"""Programs attached to the kernel: one file an attach kind."""

from __future__ import annotations

from pybpf.errors import UsageError, near
from pybpf.link import kprobe
from pybpf.link.functions import Missing, Resolved, resolve
from pybpf.link.link import Link, LinkInfo

__all__ = ["Link", "LinkInfo", "Missing", "Resolved", "attach", "resolve"]


def attach(kind: str, program: int, symbol: str) -> Link:
    """Attach a program, by its descriptor, as `spec.Attach.kind` says: `kprobe` or `kretprobe`."""
    kinds = ("kprobe", "kretprobe")
    if kind not in kinds:
        raise UsageError(f"programs can't be attached as {kind!r}{near(kind, kinds)}")
    return kprobe.attach(program, symbol, retprobe=kind == "kretprobe")
