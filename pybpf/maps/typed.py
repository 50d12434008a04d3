"""BTF that goes with maps and programs: loaded whole, or without what this kernel is too old for."""

from __future__ import annotations

from typing import NamedTuple

from pybpf.errors import SyscallError
from pybpf.spec import Layout, MapSpec, Struct
from pybpf.sys import Fd, command
from pybpf.uapi import bpf

__all__ = ["SHOWN", "MapTypes", "load_btf", "map_types", "needs_types"]

# These must be made with the types of their elements.
_STORAGES = frozenset(
    {
        bpf.BPF_MAP_TYPE_CGRP_STORAGE,
        bpf.BPF_MAP_TYPE_INODE_STORAGE,
        bpf.BPF_MAP_TYPE_SK_STORAGE,
        bpf.BPF_MAP_TYPE_TASK_STORAGE,
    }
)
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


def _has_the_kernels_own(layout: Layout | None) -> bool:
    """Whether a value has a member that the kernel knows by its type: a lock, a timer."""
    if not isinstance(layout, Struct):
        return False
    return layout.name in ("bpf_spin_lock", "bpf_timer") or any(
        _has_the_kernels_own(field.layout) for field in layout.fields
    )


def needs_types(spec: MapSpec) -> bool:
    """Whether the kernel makes such a map only of elements that it is told the types of."""
    return spec.type in _STORAGES or _has_the_kernels_own(spec.value)


class MapTypes(NamedTuple):
    """The BTF of a map's layouts, and the ids of its key and value in it."""

    btf: bytes
    key: int
    value: int


def map_types(spec: MapSpec) -> MapTypes | None:
    """What the kernel can be told of a map's elements; None for nothing."""
    if not needs_types(spec) and not (spec.type in SHOWN and spec.key and spec.value):
        return None
    from pybpf.btf.build import Builder

    builder = Builder()
    key, value = builder.map_types(spec.key, spec.value)
    return MapTypes(builder.finish(), key, value)
