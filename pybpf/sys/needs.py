"""Which capabilities a kind of program or map asks for, beside CAP_BPF (kernel/bpf/syscall.c)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pybpf.uapi import bpf

__all__ = ["also"]


def _numbers(kind: str, names: str) -> frozenset[int]:
    return frozenset(getattr(bpf, f"BPF_{kind}_TYPE_{name}") for name in names.split())


# is_perfmon_prog_type() and is_net_admin_prog_type().
_TRACING = _numbers(
    "PROG", "KPROBE TRACEPOINT PERF_EVENT RAW_TRACEPOINT RAW_TRACEPOINT_WRITABLE TRACING LSM STRUCT_OPS EXT"
)
_NETWORK = _numbers(
    "PROG",
    "SCHED_CLS SCHED_ACT XDP LWT_IN LWT_OUT LWT_XMIT LWT_SEG6LOCAL SK_SKB SK_MSG FLOW_DISSECTOR CGROUP_DEVICE"
    " CGROUP_SOCK CGROUP_SOCK_ADDR CGROUP_SOCKOPT CGROUP_SYSCTL SOCK_OPS SK_LOOKUP EXT NETFILTER",
)
_SOCKETS = _numbers("MAP", "SOCKMAP SOCKHASH DEVMAP DEVMAP_HASH XSKMAP")


def also(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """By name, for a BPF_PROG_LOAD or BPF_MAP_CREATE with these fields; nothing for others."""
    program, map = fields.get("prog_type", 0), fields.get("map_type", 0)
    tracing = ("CAP_PERFMON",) if program in _TRACING else ()
    network = ("CAP_NET_ADMIN",) if program in _NETWORK or map in _SOCKETS else ()
    return tracing + network
