"""kprobe and kretprobe: a program at a function's beginning or return, by perf_event_open(2) (4.17)."""

from __future__ import annotations

import contextlib
import errno

from pybpf import features
from pybpf.errors import LoadError, SyscallError
from pybpf.link.functions import absent
from pybpf.link.link import Link
from pybpf.sys import Fd, command, cpus, explain, kallsyms, perf
from pybpf.sys.privilege import privilege
from pybpf.uapi import bpf

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
    if error.errno in (errno.EPERM, errno.EACCES):
        return explain.denied(("CAP_PERFMON",), privilege(), "kprobes")
    return ""


def _connect(program: int, event: Fd, undo: contextlib.ExitStack) -> Fd | None:
    """Let the program run at the event: by a bpf_link (5.15), else by an ioctl, which gives no link."""
    try:
        number = command(
            bpf.BPF_LINK_CREATE, prog_fd=program, target_fd=event.fileno(), attach_type=bpf.BPF_PERF_EVENT
        )
    except SyscallError as error:
        if error.errno != errno.EINVAL:
            raise
    else:
        return undo.enter_context(Fd(number, f"link of {event.what}"))
    perf.ioctl(event, "SET_BPF", program)
    perf.ioctl(event, "ENABLE")
    return None


def attach(program: int, symbol: str, *, retprobe: bool = False, offset: int = 0) -> Link:
    """Run the program (its descriptor) when the kernel function `symbol` begins, or when it returns.

    `offset` in bytes into the function, on an instruction's boundary. Raises UnsupportedFeature (no kprobes
    in this kernel), LoadError (`.name` is the symbol: not there, not traceable, ambiguous), SyscallError.
    """
    kind = "kretprobe" if retprobe else "kprobe"
    what = f"{kind} {symbol}"
    features.require(features.kprobe())
    fields = {
        "type": perf.pmu_type("kprobe"),
        "config": retprobe << perf.pmu_bit("kprobe", "retprobe"),
        "config2": offset,
    }
    with contextlib.ExitStack() as undo:
        try:
            # One event, bound to any processor that runs: a program on it runs on all of them.
            event = perf.open_event(what, cpus.online()[0], config1=symbol.encode() + b"\0", **fields)
        except SyscallError as error:
            why = _why(symbol, offset, error)
            if error.errno in (errno.EPERM, errno.EACCES) or not why:
                raise SyscallError(error.call, error.errno or 0, f"{what}: {why}" if why else what) from None
            raise LoadError(f"{what}: {why}", symbol) from None
        undo.enter_context(event)
        link = _connect(program, event, undo)
        undo.pop_all()
    return Link(kind, symbol, event, link)
