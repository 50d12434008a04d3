"""Which types of programs this kernel has: each is loaded."""

from __future__ import annotations

import errno
import functools
from typing import NamedTuple

from pybpf.asm import link, ops
from pybpf.asm.ops import R0
from pybpf.errors import SyscallError
from pybpf.features.feature import Feature, answer, trial
from pybpf.sys.meanings import ENOTSUPP
from pybpf.uapi import bpf

__all__ = ["PROGRAM_TYPES", "ProgramType", "program_type"]


class ProgramType(NamedTuple):
    """`attach_type` is what it is tried with. One with a `target` is for something of the kernel's, which its
    BTF describes.
    """

    since: str
    attach_type: int = 0
    target: bool = False
    flags: int = 0


# By name: BPF_PROG_TYPE_* in small letters.
PROGRAM_TYPES = {
    "socket_filter": ProgramType("3.19"),
    "kprobe": ProgramType("4.1"),
    "sched_cls": ProgramType("4.1"),
    "sched_act": ProgramType("4.1"),
    "tracepoint": ProgramType("4.7"),
    "xdp": ProgramType("4.8"),
    "perf_event": ProgramType("4.9"),
    "cgroup_skb": ProgramType("4.10"),
    "cgroup_sock": ProgramType("4.10"),
    "lwt_in": ProgramType("4.10"),
    "lwt_out": ProgramType("4.10"),
    "lwt_xmit": ProgramType("4.10"),
    "sock_ops": ProgramType("4.13"),
    "sk_skb": ProgramType("4.14"),
    "cgroup_device": ProgramType("4.15"),
    "sk_msg": ProgramType("4.17"),
    "raw_tracepoint": ProgramType("4.17"),
    "cgroup_sock_addr": ProgramType("4.17", bpf.BPF_CGROUP_INET4_CONNECT),
    "lwt_seg6local": ProgramType("4.18"),
    "lirc_mode2": ProgramType("4.18"),
    "sk_reuseport": ProgramType("4.19"),
    "flow_dissector": ProgramType("4.20"),
    "cgroup_sysctl": ProgramType("5.2"),
    "raw_tracepoint_writable": ProgramType("5.2"),
    "cgroup_sockopt": ProgramType("5.3", bpf.BPF_CGROUP_GETSOCKOPT),
    "tracing": ProgramType("5.5", bpf.BPF_TRACE_RAW_TP, target=True),
    "struct_ops": ProgramType("5.6", target=True),
    "ext": ProgramType("5.6", target=True),
    "lsm": ProgramType("5.7", bpf.BPF_LSM_MAC, target=True),
    "sk_lookup": ProgramType("5.9", bpf.BPF_SK_LOOKUP),
    "syscall": ProgramType("5.14", flags=bpf.BPF_F_SLEEPABLE),
    "netfilter": ProgramType("6.4", bpf.BPF_NETFILTER),
}
_ABSENT = "this kernel is older, or was built without it"


@functools.cache
def program_type(name: str) -> Feature:
    """Is there that type of program? One that the verifier has a word on, the kernel knows."""
    kind = PROGRAM_TYPES[name]
    log = bytearray(4096)
    fields = {
        "prog_type": getattr(bpf, f"BPF_PROG_TYPE_{name.upper()}"),
        "expected_attach_type": kind.attach_type,
        "prog_flags": kind.flags,
        "attach_btf_id": int(kind.target),
    }

    def try_it() -> str:
        try:
            trial(
                link([ops.mov64(R0, 0), ops.exit_()]), **fields, log_level=1, log_size=len(log), log_buf=log
            ).close()
        except SyscallError as error:
            if log[0] or error.errno == ENOTSUPP:
                return ""
            if error.errno == errno.EPERM:
                raise
            return _ABSENT
        return ""

    return answer(name, kind.since, try_it)
