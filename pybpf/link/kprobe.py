"""kprobe and kretprobe: a program at a function's beginning or return, by perf_event_open(2) (4.17)."""

from __future__ import annotations

import errno
from functools import partial

from pybpf import features
from pybpf.errors import SyscallError
from pybpf.link import event
from pybpf.link.functions import absent
from pybpf.link.link import Link
from pybpf.sys import kallsyms, perf

__all__ = ["attach"]


def _why(symbol: str, offset: int, error: SyscallError) -> str:
    """What a failed perf_event_open means here (kernel/trace/trace_kprobe.c, kernel/kprobes.c)."""
    modules = kallsyms.find([symbol]).get(symbol, ())
    if not modules and error.errno in (errno.ENOENT, errno.EINVAL):
        return absent(symbol)
    if offset and error.errno in (errno.ENOENT, errno.EINVAL, errno.EILSEQ):
        return f"offset {offset} is not the start of an instruction of it"
    if error.errno == errno.EADDRNOTAVAIL or (len(modules) > 1 and error.errno == errno.EINVAL):
        return f"{len(modules)} functions have that name, and the kernel won't choose"
    if error.errno in (errno.EINVAL, errno.EBUSY, errno.EOPNOTSUPP):
        reason = kallsyms.notrace(symbol) or "the kernel doesn't allow probes in it"
        return f"it can't be probed: {reason}"
    return ""


def attach(program: int, symbol: str, *, retprobe: bool = False, offset: int = 0, cookie: int = 0) -> Link:
    """Run the program (its descriptor) when the kernel function `symbol` begins, or when it returns.

    `offset` in bytes into the function, on an instruction's boundary. `cookie`: see `event.attach`. Raises
    UnsupportedFeature (no kprobes in this kernel), LoadError (`.name` is the symbol: not there, not
    traceable, ambiguous), SyscallError.
    """
    features.require(features.kprobe())
    return event.attach(
        "kretprobe" if retprobe else "kprobe",
        symbol,
        program,
        partial(_why, symbol, offset),
        cookie=cookie,
        type=perf.pmu_type("kprobe"),
        config=retprobe << perf.pmu_bit("kprobe", "retprobe"),
        config1=symbol.encode() + b"\0",
        config2=offset,
    )
