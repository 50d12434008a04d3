"""What control groups make programs run for: the types that programs are loaded as and attached as."""

from __future__ import annotations

from typing import NamedTuple

from pybpf.uapi import bpf

__all__ = ["HOOKS", "Hook"]


class Hook(NamedTuple):
    """`type` is a `BPF_PROG_TYPE_*`, `attach_type` what it is loaded for and attached as."""

    type: int
    attach_type: int


_SOCK, _ADDRESS = bpf.BPF_PROG_TYPE_CGROUP_SOCK, bpf.BPF_PROG_TYPE_CGROUP_SOCK_ADDR
_OPTION = bpf.BPF_PROG_TYPE_CGROUP_SOCKOPT

HOOKS = {
    "ingress": Hook(bpf.BPF_PROG_TYPE_CGROUP_SKB, bpf.BPF_CGROUP_INET_INGRESS),
    "egress": Hook(bpf.BPF_PROG_TYPE_CGROUP_SKB, bpf.BPF_CGROUP_INET_EGRESS),
    "sock_create": Hook(_SOCK, bpf.BPF_CGROUP_INET_SOCK_CREATE),
    "sock_release": Hook(_SOCK, bpf.BPF_CGROUP_INET_SOCK_RELEASE),
    "post_bind4": Hook(_SOCK, bpf.BPF_CGROUP_INET4_POST_BIND),
    "post_bind6": Hook(_SOCK, bpf.BPF_CGROUP_INET6_POST_BIND),
    "bind4": Hook(_ADDRESS, bpf.BPF_CGROUP_INET4_BIND),
    "bind6": Hook(_ADDRESS, bpf.BPF_CGROUP_INET6_BIND),
    "connect4": Hook(_ADDRESS, bpf.BPF_CGROUP_INET4_CONNECT),
    "connect6": Hook(_ADDRESS, bpf.BPF_CGROUP_INET6_CONNECT),
    "sendmsg4": Hook(_ADDRESS, bpf.BPF_CGROUP_UDP4_SENDMSG),
    "sendmsg6": Hook(_ADDRESS, bpf.BPF_CGROUP_UDP6_SENDMSG),
    "recvmsg4": Hook(_ADDRESS, bpf.BPF_CGROUP_UDP4_RECVMSG),
    "recvmsg6": Hook(_ADDRESS, bpf.BPF_CGROUP_UDP6_RECVMSG),
    "getpeername4": Hook(_ADDRESS, bpf.BPF_CGROUP_INET4_GETPEERNAME),
    "getpeername6": Hook(_ADDRESS, bpf.BPF_CGROUP_INET6_GETPEERNAME),
    "getsockname4": Hook(_ADDRESS, bpf.BPF_CGROUP_INET4_GETSOCKNAME),
    "getsockname6": Hook(_ADDRESS, bpf.BPF_CGROUP_INET6_GETSOCKNAME),
    "sock_ops": Hook(bpf.BPF_PROG_TYPE_SOCK_OPS, bpf.BPF_CGROUP_SOCK_OPS),
    "device": Hook(bpf.BPF_PROG_TYPE_CGROUP_DEVICE, bpf.BPF_CGROUP_DEVICE),
    "sysctl": Hook(bpf.BPF_PROG_TYPE_CGROUP_SYSCTL, bpf.BPF_CGROUP_SYSCTL),
    "getsockopt": Hook(_OPTION, bpf.BPF_CGROUP_GETSOCKOPT),
    "setsockopt": Hook(_OPTION, bpf.BPF_CGROUP_SETSOCKOPT),
}
