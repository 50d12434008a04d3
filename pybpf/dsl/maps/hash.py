"""Hash tables: of all CPUs or of each, with all elements kept or only those used last."""

from __future__ import annotations

from pybpf.dsl.maps.keyed import Keyed
from pybpf.uapi import bpf

__all__ = ["HashMap", "LruHashMap", "LruPerCpuHashMap", "PerCpuHashMap"]


class HashMap(Keyed):
    """`BPF_MAP_TYPE_HASH` (Linux 3.19): one table for all CPUs. A full one takes no new elements."""

    type = bpf.BPF_MAP_TYPE_HASH


class PerCpuHashMap(Keyed):
    """`BPF_MAP_TYPE_PERCPU_HASH` (Linux 4.6): of each element, every CPU has a value of its own."""

    type = bpf.BPF_MAP_TYPE_PERCPU_HASH
    per_cpu = True


class LruHashMap(Keyed):
    """`BPF_MAP_TYPE_LRU_HASH` (Linux 4.10): when it is full, an element not used for long gives way."""

    type = bpf.BPF_MAP_TYPE_LRU_HASH


class LruPerCpuHashMap(Keyed):
    """`BPF_MAP_TYPE_LRU_PERCPU_HASH` (Linux 4.10): both."""

    type = bpf.BPF_MAP_TYPE_LRU_PERCPU_HASH
    per_cpu = True
