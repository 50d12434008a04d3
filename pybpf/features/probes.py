"""What programs can be attached to."""

from __future__ import annotations

import errno
import functools
import struct

from pybpf.errors import BpfError, SyscallError
from pybpf.features.feature import Feature, trial
from pybpf.sys import Fd, command, kallsyms, perf, tracefs
from pybpf.uapi import bpf

__all__ = [
    "fentry",
    "kprobe",
    "kprobe_events",
    "kprobe_multi",
    "kprobe_session",
    "perf_link",
    "uprobe",
    "uprobe_events",
]


def _nothing() -> bytes:
    """A program that does nothing."""
    from pybpf.asm import link, ops

    return link([ops.mov64(ops.R0, 0), ops.exit_()])


@functools.cache
def kprobe() -> Feature:
    """The kprobe PMU of perf_event_open(2)."""
    return _by_pmu("kprobe")


@functools.cache
def kprobe_events() -> Feature:
    """kprobes by tracefs."""
    return _by_tracefs("kprobe")


@functools.cache
def uprobe_events() -> Feature:
    """uprobes by tracefs."""
    return _by_tracefs("uprobe")


def _by_pmu(kind: str) -> Feature:
    name, since = f"{kind}s by perf_event_open", "4.17"
    if perf.pmu_type(kind) is not None:
        return Feature(name, since)
    if tracefs.exists(f"{kind}_events"):
        return Feature(name, since, "run a newer kernel")
    option = f"CONFIG_{kind.upper()}_EVENTS"
    why = f"it was built without {option}; run a kernel that has it, as distributions' do"
    return Feature(f"{kind}s", "", why)


def _by_tracefs(kind: str) -> Feature:
    there = tracefs.exists(f"{kind}_events")
    why = tracefs.absent() or ("" if there else f"it was built without CONFIG_{kind.upper()}_EVENTS")
    return Feature(f"{kind}s by tracefs", "4.1", why, not tracefs.hidden())


@functools.cache
def kprobe_multi() -> Feature:
    """One bpf_link for kprobes on many functions, tried on one that is there for tests (net/bpf/test_run.c).

    Raises SyscallError when this process may not load programs.
    """
    return _multi("kprobe.multi", "5.18", bpf.BPF_TRACE_KPROBE_MULTI)


@functools.cache
def kprobe_session() -> Feature:
    """The same with one program at a function's entry and return."""
    name, since = "kprobe.session", "6.10"
    multi = kprobe_multi()
    return _multi(name, since, bpf.BPF_TRACE_KPROBE_SESSION) if multi else Feature(name, since, multi.why)


def _multi(name: str, since: str, attach_type: int) -> Feature:
    addresses = kallsyms.addresses("bpf_fentry_test1")
    if not addresses:
        return Feature(name, since, "the addresses of functions are hidden (sysctl kernel.kptr_restrict)")
    try:
        with trial(_nothing(), expected_attach_type=attach_type) as program:
            fields = {"prog_fd": program.fileno(), "attach_type": attach_type, "kprobe_cnt": 1}
            packed = struct.pack("=Q", addresses[0])
            Fd(command(bpf.BPF_LINK_CREATE, **fields, kprobe_addrs=packed), name).close()
    except SyscallError as error:
        if error.errno == errno.EPERM:
            raise
        return Feature(name, since, "the kernel doesn't know it, or was built without CONFIG_FPROBE")
    return Feature(name, since)


@functools.cache
def uprobe() -> Feature:
    """The uprobe PMU of perf_event_open(2)."""
    return _by_pmu("uprobe")


@functools.cache
def fentry() -> Feature:
    """The kernel's trampolines, tried on a function that is there for that (net/bpf/test_run.c).

    Raises SyscallError when this process may not load such programs.
    """
    from pybpf import btf

    name, since = "fentry and fexit", "5.5"
    try:
        function = next(btf.kernel().functions("bpf_fentry_test1"), None)
    except BpfError as error:
        return Feature(name, since, str(error))
    if function is None:
        return Feature(name, since, "it was built without CONFIG_BPF_JIT or CONFIG_NET")
    try:
        with trial(
            _nothing(),
            prog_type=bpf.BPF_PROG_TYPE_TRACING,
            expected_attach_type=bpf.BPF_TRACE_FENTRY,
            attach_btf_id=function.id,
        ) as program:
            Fd(command(bpf.BPF_RAW_TRACEPOINT_OPEN, prog_fd=program.fileno()), name).close()
    except SyscallError as error:
        if error.lacking:
            raise
        return Feature(name, since, f"a kprobe serves as well, where there are any ({error})")
    return Feature(name, since)


@functools.cache
def perf_link() -> Feature:
    """A bpf_link on a perf event, tried with an event that isn't: only a kernel that knows it looks at it.

    Raises SyscallError when this process may not load programs.
    """
    name, since = "bpf_link on perf events", "5.15"
    with trial(_nothing()) as program:
        fields = {"prog_fd": program.fileno(), "target_fd": 0xFFFF_FFFF, "attach_type": bpf.BPF_PERF_EVENT}
        try:
            Fd(command(bpf.BPF_LINK_CREATE, **fields), name).close()
        except SyscallError as error:
            if error.errno != errno.EBADF:
                return Feature(name, since, "PERF_EVENT_IOC_SET_BPF serves instead")
    return Feature(name, since)
