"""The maps of the machine: one class for each type, in a file for each family."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybpf.errors import UsageError
from pybpf.spec import MapSpec
from pybpf.uapi import bpf
from pybpf.vm.maps.array import ArrayMap, PerCpuArrayMap
from pybpf.vm.maps.base import Map
from pybpf.vm.maps.events import EventMap, PerfEventArray, RingBuffer
from pybpf.vm.maps.hash import HashMap, LruHashMap, LruPerCpuHashMap, PerCpuHashMap
from pybpf.vm.maps.instructions import InstructionArray
from pybpf.vm.maps.queue import BloomFilter, Keyless, Queue, Stack
from pybpf.vm.maps.references import ArrayOfMaps, CgroupArray, HashOfMaps, ProgramArray
from pybpf.vm.maps.storage import LocalStorage
from pybpf.vm.maps.trace import StackTrace
from pybpf.vm.maps.trie import LpmTrie
from pybpf.vm.maps.user_events import UserRingBuffer

if TYPE_CHECKING:
    from pybpf.vm.machine import Machine

__all__ = [
    "ArrayMap",
    "ArrayOfMaps",
    "BloomFilter",
    "CgroupArray",
    "EventMap",
    "HashMap",
    "HashOfMaps",
    "InstructionArray",
    "Keyless",
    "LocalStorage",
    "LpmTrie",
    "LruHashMap",
    "LruPerCpuHashMap",
    "Map",
    "PerCpuArrayMap",
    "PerCpuHashMap",
    "PerfEventArray",
    "ProgramArray",
    "Queue",
    "RingBuffer",
    "Stack",
    "StackTrace",
    "UserRingBuffer",
    "create",
]

_TYPES: dict[int, type[Map]] = {
    bpf.BPF_MAP_TYPE_ARRAY: ArrayMap,
    bpf.BPF_MAP_TYPE_ARRAY_OF_MAPS: ArrayOfMaps,
    bpf.BPF_MAP_TYPE_BLOOM_FILTER: BloomFilter,
    bpf.BPF_MAP_TYPE_CGROUP_ARRAY: CgroupArray,
    bpf.BPF_MAP_TYPE_CGRP_STORAGE: LocalStorage,
    bpf.BPF_MAP_TYPE_HASH: HashMap,
    bpf.BPF_MAP_TYPE_HASH_OF_MAPS: HashOfMaps,
    bpf.BPF_MAP_TYPE_INODE_STORAGE: LocalStorage,
    bpf.BPF_MAP_TYPE_INSN_ARRAY: InstructionArray,
    bpf.BPF_MAP_TYPE_LPM_TRIE: LpmTrie,
    bpf.BPF_MAP_TYPE_LRU_HASH: LruHashMap,
    bpf.BPF_MAP_TYPE_LRU_PERCPU_HASH: LruPerCpuHashMap,
    bpf.BPF_MAP_TYPE_PERCPU_ARRAY: PerCpuArrayMap,
    bpf.BPF_MAP_TYPE_PERCPU_HASH: PerCpuHashMap,
    bpf.BPF_MAP_TYPE_PERF_EVENT_ARRAY: PerfEventArray,
    bpf.BPF_MAP_TYPE_PROG_ARRAY: ProgramArray,
    bpf.BPF_MAP_TYPE_QUEUE: Queue,
    bpf.BPF_MAP_TYPE_RINGBUF: RingBuffer,
    bpf.BPF_MAP_TYPE_SK_STORAGE: LocalStorage,
    bpf.BPF_MAP_TYPE_STACK: Stack,
    bpf.BPF_MAP_TYPE_STACK_TRACE: StackTrace,
    bpf.BPF_MAP_TYPE_TASK_STORAGE: LocalStorage,
    bpf.BPF_MAP_TYPE_USER_RINGBUF: UserRingBuffer,
}


def create(machine: Machine, spec: MapSpec) -> Map:
    """The map of a spec. Raises `UsageError` for a type that the machine does not have."""
    if spec.type not in _TYPES:
        raise UsageError(f"map {spec.name}: the machine has no maps of type {spec.type}")
    return _TYPES[spec.type](machine, spec)
