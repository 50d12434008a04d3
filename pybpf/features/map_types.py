"""Which types of maps this kernel has: the smallest of each is made."""

from __future__ import annotations

import contextlib
import errno
import functools
import mmap
from typing import NamedTuple

from pybpf.btf.build import Builder
from pybpf.errors import SyscallError
from pybpf.features.feature import Feature, answer
from pybpf.sys import Fd, command
from pybpf.sys.meanings import ENOTSUPP
from pybpf.sys.memlock import with_memlock
from pybpf.uapi import bpf

__all__ = ["MAP_TYPES", "MapType", "map_type"]


class MapType(NamedTuple):
    """The smallest map: sizes in bytes of key and value, entries, flags; and what it needs beside (`extra`):
    a map `inner`, the `types` of its elements, or the number of a `struct` of the kernel's.
    """

    since: str
    key: int = 4
    value: int = 4
    entries: int = 1
    flags: int = 0
    extra: str = ""


_STORAGE = MapType("", entries=0, flags=bpf.BPF_F_NO_PREALLOC, extra="types")
_RING = MapType("", key=0, value=0, entries=mmap.PAGESIZE)

# By name: BPF_MAP_TYPE_* in small letters.
MAP_TYPES = {
    "hash": MapType("3.19"),
    "array": MapType("3.19"),
    "prog_array": MapType("4.2"),
    "perf_event_array": MapType("4.3"),
    "percpu_hash": MapType("4.6"),
    "percpu_array": MapType("4.6"),
    "stack_trace": MapType("4.6", value=8),
    "cgroup_array": MapType("4.8"),
    "lru_hash": MapType("4.10"),
    "lru_percpu_hash": MapType("4.10"),
    "lpm_trie": MapType("4.11", key=8, flags=bpf.BPF_F_NO_PREALLOC),
    "array_of_maps": MapType("4.12", extra="inner"),
    "hash_of_maps": MapType("4.12", extra="inner"),
    "devmap": MapType("4.14"),
    "sockmap": MapType("4.14"),
    "cpumap": MapType("4.15"),
    "xskmap": MapType("4.18"),
    "sockhash": MapType("4.18"),
    "cgroup_storage": MapType("4.19", key=16, entries=0),
    "reuseport_sockarray": MapType("4.19"),
    "percpu_cgroup_storage": MapType("4.20", key=16, entries=0),
    "queue": MapType("4.20", key=0),
    "stack": MapType("4.20", key=0),
    "sk_storage": _STORAGE._replace(since="5.2"),
    "devmap_hash": MapType("5.4"),
    "struct_ops": MapType("5.6", extra="struct"),
    "ringbuf": _RING._replace(since="5.8"),
    "inode_storage": _STORAGE._replace(since="5.10"),
    "task_storage": _STORAGE._replace(since="5.11"),
    "bloom_filter": MapType("5.16", key=0),
    "user_ringbuf": _RING._replace(since="6.1"),
    "cgrp_storage": _STORAGE._replace(since="6.2"),
    "arena": MapType("6.9", key=0, value=0, flags=bpf.BPF_F_MMAPABLE),
    "insn_array": MapType("6.19", value=16),
    "rhash": MapType("7.2", flags=bpf.BPF_F_NO_PREALLOC),
}


@functools.cache
def map_type(name: str) -> Feature:
    """Is there that type of map?"""

    def try_it() -> str:
        try:
            _make(name, MAP_TYPES[name])
        except SyscallError as error:
            if error.errno == errno.EPERM:
                raise
            if error.errno != ENOTSUPP:  # only the number of the struct is wrong
                return "this kernel is older, or was built without it"
        return ""

    return answer(name, MAP_TYPES[name].since, try_it)


def _make(name: str, kind: MapType) -> None:
    fields = {
        "map_type": getattr(bpf, f"BPF_MAP_TYPE_{name.upper()}"),
        "key_size": kind.key,
        "value_size": kind.value,
        "max_entries": kind.entries,
        "map_flags": kind.flags,
    }
    with contextlib.ExitStack() as lent:
        if kind.extra == "inner":
            inner = {"map_type": bpf.BPF_MAP_TYPE_ARRAY, "key_size": 4, "value_size": 4, "max_entries": 1}
            fields["inner_map_fd"] = lent.enter_context(_map(inner)).fileno()
        elif kind.extra == "types":
            types = Builder()
            number = types.integer("int", 4, signed=True)
            data = types.finish()
            loaded = lent.enter_context(
                Fd(command(bpf.BPF_BTF_LOAD, btf=data, btf_size=len(data)), "BTF of a trial")
            )
            fields.update(btf_fd=loaded.fileno(), btf_key_type_id=number, btf_value_type_id=number)
        elif kind.extra == "struct":
            fields["btf_vmlinux_value_type_id"] = 1
        _map(fields).close()


def _map(fields: dict[str, int]) -> Fd:
    return Fd(with_memlock(lambda: command(bpf.BPF_MAP_CREATE, **fields)), "trial map")
