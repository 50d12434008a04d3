"""BTF that goes with maps and programs: loaded whole, or without what this kernel is too old for."""

from __future__ import annotations

from pybpf.btf.build import Builder
from pybpf.errors import SyscallError
from pybpf.spec import MapSpec
from pybpf.sys import Fd, command
from pybpf.uapi import bpf

__all__ = ["SHOWN", "load_btf", "map_btf"]

# The maps whose keys and values the kernel lets one describe, so that `bpftool map dump` shows names.
SHOWN = frozenset(
    [
        bpf.BPF_MAP_TYPE_HASH,
        bpf.BPF_MAP_TYPE_ARRAY,
        bpf.BPF_MAP_TYPE_PERCPU_HASH,
        bpf.BPF_MAP_TYPE_PERCPU_ARRAY,
        bpf.BPF_MAP_TYPE_LRU_HASH,
        bpf.BPF_MAP_TYPE_LRU_PERCPU_HASH,
        bpf.BPF_MAP_TYPE_LPM_TRIE,
    ]
)


def load_btf(data: bytes, what: str) -> Fd:
    """Load BTF (Linux 4.18). Raises SyscallError when the kernel takes it neither whole nor in part."""
    try:
        return Fd(command(bpf.BPF_BTF_LOAD, btf=data, btf_size=len(data)), what)
    except SyscallError:
        from pybpf.btf.older import for_older_kernels

        less = for_older_kernels(data)
        if less == data:
            raise
        return Fd(command(bpf.BPF_BTF_LOAD, btf=less, btf_size=len(less)), what)


def map_btf(spec: MapSpec) -> tuple[Fd, int, int]:
    """The BTF of a map's layouts, and the ids of its key and value. Raises SyscallError."""
    builder = Builder()
    key, value = builder.map_types(spec.key, spec.value)
    return load_btf(builder.finish(), f"BTF of map {spec.name}"), key, value
