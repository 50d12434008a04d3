"""What programs can be attached to here: a row for each kind that `spec.Attach` names."""

from __future__ import annotations

import errno
import functools
from collections.abc import Callable

from pybpf.asm import link, ops
from pybpf.asm.ops import R0
from pybpf.errors import SyscallError
from pybpf.features.attachments import bpf_lsm, iterator, netfilter, uprobe_multi
from pybpf.features.feature import Feature, answer, answered, trial
from pybpf.features.helper_calls import asked
from pybpf.features.probes import (
    fentry,
    kprobe,
    kprobe_events,
    kprobe_multi,
    kprobe_session,
    uprobe,
    uprobe_events,
)
from pybpf.features.program_types import program_type
from pybpf.sys import Fd, command, cpus, perf, tracefs
from pybpf.sys.mounts import mounts
from pybpf.uapi import bpf, perf_event

__all__ = ["ATTACH_KINDS", "attach_kind"]

_CODE = link([ops.mov64(R0, 0), ops.exit_()])
_DISABLED = 1  # of the flags in perf_event_attr


def _tracepoint() -> Feature:
    number = tracefs.tracepoint_id("sched", "sched_process_exec")

    def try_it() -> str:
        if number is None:
            return tracefs.absent() or "it was built without CONFIG_TRACING"
        _open(perf_event.PERF_TYPE_TRACEPOINT, number)
        return ""

    found = answer("tracepoints", "4.7", try_it)
    return found._replace(known=found.known and not tracefs.hidden())


def _perf_event() -> Feature:
    def try_it() -> None:
        _open(perf_event.PERF_TYPE_SOFTWARE, perf_event.PERF_COUNT_SW_CPU_CLOCK)

    return answer("perf events", "4.9", try_it)


def _open(type: int, config: int) -> None:
    """Open a perf event that counts nothing, and close it."""
    perf.open_event("trial", cpus.online()[0], type=type, config=config, flags=_DISABLED).close()


def _raw_tracepoint() -> Feature:
    def try_it() -> str:
        with trial(_CODE, prog_type=bpf.BPF_PROG_TYPE_RAW_TRACEPOINT) as program:
            try:
                fields = {"name": b"pybpf_no_such_tracepoint\0", "prog_fd": program.fileno()}
                Fd(command(bpf.BPF_RAW_TRACEPOINT_OPEN, **fields), "trial").close()
            except SyscallError as error:
                if error.errno != errno.ENOENT:
                    raise
        return ""

    return answer("raw tracepoints", "4.17", try_it)


def _typed_tracepoint() -> Feature:
    why = "there is no BTF of its tracepoints, or programs for them are refused"
    return answer("typed tracepoints", "5.5", lambda: "" if asked("tracing", bpf.BPF_TRACE_RAW_TP) else why)


def _tcx() -> Feature:
    """Tried on an interface that isn't: only a kernel that knows it looks for that."""

    def try_it() -> str:
        with trial(_CODE, prog_type=bpf.BPF_PROG_TYPE_SCHED_CLS) as program:
            fields = {"prog_fd": program.fileno(), "target_fd": 0x7FFF_FFFF}
            try:
                Fd(command(bpf.BPF_LINK_CREATE, **fields, attach_type=bpf.BPF_TCX_INGRESS), "trial").close()
            except SyscallError as error:
                if error.errno != errno.ENODEV:
                    return "xdp, or a socket_filter, sees packets too"
        return ""

    return answer("traffic control (tcx)", "6.6", try_it)


def _cgroup() -> Feature:
    if any(mount.type == "cgroup2" for mount in mounts()):
        return program_type("cgroup_skb")
    why = "cgroup2 is not mounted: mount -t cgroup2 cgroup2 /sys/fs/cgroup"
    return Feature("control groups", "4.10", why)


def _lsm() -> Feature:
    known = program_type("lsm")
    return bpf_lsm() if known else known


# By the name of the kind, up to a slash (`cgroup/connect4`); kinds that need the same share a function.
ATTACH_KINDS: dict[str, Callable[[], Feature]] = {
    "kprobe": kprobe,
    "kretprobe": kprobe,
    "kprobe.multi": kprobe_multi,
    "kretprobe.multi": kprobe_multi,
    "kprobe.session": kprobe_session,
    "kprobe.tracefs": kprobe_events,
    "kretprobe.tracefs": kprobe_events,
    "fentry": fentry,
    "fexit": fentry,
    "fmod_ret": fentry,
    "uprobe": uprobe,
    "uretprobe": uprobe,
    "uprobe.multi": uprobe_multi,
    "uretprobe.multi": uprobe_multi,
    "uprobe.tracefs": uprobe_events,
    "uretprobe.tracefs": uprobe_events,
    "usdt": uprobe,
    "usdt.multi": uprobe_multi,
    "tracepoint": _tracepoint,
    "raw_tracepoint": _raw_tracepoint,
    "tp_btf": _typed_tracepoint,
    "perf_event": _perf_event,
    "socket_filter": lambda: program_type("socket_filter"),
    "xdp": lambda: program_type("xdp"),
    "tc": _tcx,
    "netfilter": netfilter,
    "cgroup": _cgroup,
    "lsm": _lsm,
    "iterator": iterator,
}


@functools.cache
def attach_kind(name: str) -> Feature:
    """Can programs of that kind be attached here? The feature has the name of the kind."""
    found = answered(ATTACH_KINDS[name.partition("/")[0]])
    return found._replace(name=name)
