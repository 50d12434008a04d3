"""Kinds of attachments that some kernels lack."""

from __future__ import annotations

import errno
import functools

from pybpf.asm import link, ops
from pybpf.asm.ops import R0
from pybpf.errors import BpfError, SyscallError
from pybpf.features.feature import Feature, trial
from pybpf.sys import Fd, command
from pybpf.sys.files import read_text
from pybpf.uapi import bpf

__all__ = ["bpf_lsm", "iterator", "netfilter", "uprobe_multi"]

_EMPTY = link([ops.mov64(R0, 0), ops.exit_()])
_LSM = "/sys/kernel/security/lsm"


@functools.cache
def bpf_lsm() -> Feature:
    """Programs at security hooks: not only built in, but among the modules that the kernel asks."""
    name, since = "active BPF LSM", "5.7"
    active = read_text(_LSM)
    if not active:
        why = "it can't be told: mount -t securityfs securityfs /sys/kernel/security"
        return Feature(name, since, why, known=False)
    if "bpf" in active.split(","):
        return Feature(name, since)
    return Feature(name, since, f"boot with lsm={active},bpf on the kernel's command line")


@functools.cache
def iterator() -> Feature:
    """Programs that run for each object of a kind, tried on tasks. Raises what `netfilter` does."""
    from pybpf import btf

    name, since = "BPF iterators", "5.8"
    try:
        function = next(btf.kernel().functions("bpf_iter_task"), None)
        if function is None:
            return Feature(name, since, "walk what the kernel has from another kind of probe")
        trial(
            _EMPTY,
            prog_type=bpf.BPF_PROG_TYPE_TRACING,
            expected_attach_type=bpf.BPF_TRACE_ITER,
            attach_btf_id=function.id,
        ).close()
    except BpfError as error:
        if isinstance(error, SyscallError) and error.lacking:
            raise
        return Feature(name, since, str(error))
    return Feature(name, since)


@functools.cache
def netfilter() -> Feature:
    """Programs among netfilter's rules. Raises SyscallError when this process may not load programs."""
    name, since = "netfilter programs", "6.4"
    fields = {"prog_type": bpf.BPF_PROG_TYPE_NETFILTER, "expected_attach_type": bpf.BPF_NETFILTER}
    try:
        trial(_EMPTY, **fields).close()
    except SyscallError as error:
        if error.errno == errno.EPERM:
            raise
        return Feature(name, since, "xdp, tc, or a socket_filter, sees packets too")
    return Feature(name, since)


@functools.cache
def uprobe_multi() -> Feature:
    """One link for uprobes at many places of a file, tried with a file that isn't one.

    Raises SyscallError when this process may not load programs.
    """
    name, since = "uprobe.multi links", "6.6"
    try:
        with trial(_EMPTY, expected_attach_type=bpf.BPF_TRACE_UPROBE_MULTI) as program:
            fields = {
                "prog_fd": program.fileno(),
                "attach_type": bpf.BPF_TRACE_UPROBE_MULTI,
                "uprobe_path": b"/\0",
                "uprobe_offsets": bytes(8),
                "uprobe_cnt": 1,
            }
            Fd(command(bpf.BPF_LINK_CREATE, **fields), name).close()
    except SyscallError as error:
        if error.errno == errno.EPERM:
            raise
        # A kernel that knows them looks at the path, which leads to a folder.
        if error.errno != errno.EBADF:
            return Feature(name, since, "one perf event a place serves instead")
    return Feature(name, since)
