"""Which helpers each type of program may call: a call of each is shown to the verifier."""

from __future__ import annotations

import functools
import re

from pybpf.asm import link, ops
from pybpf.errors import BpfError, SyscallError
from pybpf.features.feature import trial
from pybpf.features.program_types import PROGRAM_TYPES
from pybpf.uapi import bpf
from pybpf.uapi.helpers import HELPERS

__all__ = ["asked", "can_call", "helpers"]

_REFUSED = re.compile(rb"(unknown|invalid) func|cannot use helper")
# What programs with a target are tried on: a function that is there for that, or what every kernel has.
_TARGETS = {
    bpf.BPF_TRACE_RAW_TP: "btf_trace_sched_switch",
    bpf.BPF_TRACE_FENTRY: "bpf_fentry_test1",
    bpf.BPF_TRACE_FEXIT: "bpf_fentry_test1",
    bpf.BPF_MODIFY_RETURN: "bpf_modify_return_test",
    bpf.BPF_TRACE_ITER: "bpf_iter_task",
    bpf.BPF_LSM_MAC: "bpf_lsm_file_open",
}


@functools.cache
def _target(attach_type: int) -> int:
    """The BTF id of what programs of that attach type are tried on; 0 when there is none."""
    from pybpf import btf

    try:
        kernel = btf.kernel()
    except BpfError:
        return 0
    name = _TARGETS.get(attach_type, "")
    keys = kernel.all(name) if name.startswith("btf_trace_") else kernel.functions(name)
    return next((each.id for each in keys), 0)


@functools.cache
def _fields(type: str, attach_type: int) -> dict[str, int] | None:
    """Those of BPF_PROG_LOAD; None when such programs can't be tried here."""
    kind = PROGRAM_TYPES[type]
    fields = {
        "prog_type": getattr(bpf, f"BPF_PROG_TYPE_{type.upper()}"),
        "expected_attach_type": attach_type or kind.attach_type,
        "prog_flags": kind.flags,
    }
    if kind.target:
        fields["attach_btf_id"] = _target(fields["expected_attach_type"])
        if not fields["attach_btf_id"]:
            return None
    return fields


@functools.cache
def asked(type: str, attach_type: int = 0) -> bool:
    """Does this kernel say which helpers such programs may call?

    It doesn't of a type that it hasn't got, and of one that replaces part of the kernel. Raises SyscallError.
    """
    return can_call("map_lookup_elem", type, attach_type) is not None


@functools.cache
def can_call(name: str, type: str, attach_type: int = 0) -> bool | None:
    """May programs of a type (`kprobe`), loaded for an attach type such as BPF_TRACE_FENTRY, call a helper?

    None when the kernel doesn't say. SyscallError when this process may not load such programs.
    """
    fields = _fields(type, attach_type)
    if fields is None:
        return None
    log = bytearray(1024)
    code = link([ops.call(HELPERS[f"bpf_{name}"]), ops.exit_()])
    try:
        trial(code, **fields, log_level=1, log_size=len(log), log_buf=log).close()
    except SyscallError as error:
        if error.lacking:
            raise
        return not _REFUSED.search(log) if log[0] else None
    return True


def helpers(type: str, attach_type: int = 0) -> list[str]:
    """The helpers, without `bpf_`, that such programs may call; none when the kernel doesn't say."""
    if not asked(type, attach_type):
        return []
    names = (name.partition("_")[2] for name in HELPERS)
    return [name for name in names if can_call(name, type, attach_type)]
