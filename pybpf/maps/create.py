"""Making a map."""

from __future__ import annotations

import contextlib
import errno
import mmap
from typing import Any

from pybpf.errors import LoadError, SyscallError
from pybpf.maps.map import Map
from pybpf.maps.typed import MapTypes, load_btf, map_types, needs_types
from pybpf.spec import MapSpec
from pybpf.sys import Fd, command, cpus, object_name
from pybpf.sys.memlock import with_memlock
from pybpf.uapi import bpf
from pybpf.uapi.names import name_of

__all__ = ["create"]


def _check(spec: MapSpec) -> None:
    wrong = ""
    if spec.data is not None and len(spec.data) != spec.value_size:
        wrong = f"{len(spec.data)} bytes of initial data, expected {spec.value_size}"
    elif spec.type == bpf.BPF_MAP_TYPE_RINGBUF:
        size = spec.max_entries
        if size < mmap.PAGESIZE or size & (size - 1):
            wrong = f"a ring buffer of {size} bytes: it must be a power of 2 of at least {mmap.PAGESIZE}"
    if wrong:
        raise LoadError(f"map {spec.name}: {wrong}", spec.name)


def _why(spec: MapSpec, error: SyscallError) -> str:
    if error.errno == errno.EINVAL:
        return (
            f"this kernel refuses map {spec.name}: it lacks the type {name_of('BPF_MAP_TYPE_', spec.type)} or"
            f" its flags ({spec.flags:#x}), or has no such size (key {spec.key_size}, value {spec.value_size}"
            f" bytes, {spec.max_entries} entries)"
        )
    if error.errno in (errno.ENOMEM, errno.E2BIG):
        return f"map {spec.name} is too big: {spec.max_entries} entries of {spec.value_size} bytes"
    return f"map {spec.name}: {error.why}" if error.why else f"map {spec.name}"


def _lend(spec: MapSpec, types: MapTypes | None, lent: contextlib.ExitStack) -> dict[str, int]:
    """What the kernel looks at while it makes a map: a map like those within, the types of a storage."""
    if spec.inner is not None:
        return {"inner_map_fd": lent.enter_context(create(spec.inner)).fileno()}
    types = types or map_types(spec)
    if types is None:
        return {}
    try:
        descriptor = load_btf(types.btf, f"BTF of map {spec.name}")
    except SyscallError:
        if needs_types(spec):
            raise
        return {}
    lent.enter_context(descriptor)
    return {"btf_fd": descriptor.fileno(), "btf_key_type_id": types.key, "btf_value_type_id": types.value}


def _make(spec: MapSpec, fields: dict[str, Any], lent: dict[str, int]) -> int:
    try:
        return with_memlock(lambda: command(bpf.BPF_MAP_CREATE, **fields, **lent))
    except SyscallError:
        if "btf_fd" not in lent or needs_types(spec):
            raise
        # Types that this kernel does not take for such a map: it only shows less.
        return with_memlock(lambda: command(bpf.BPF_MAP_CREATE, **fields))


def create(spec: MapSpec, types: MapTypes | None = None) -> Map:
    """Make a map; an array's initial data is written, and frozen when programs can only read it.

    `types` are those of `map_types`, where they are known. A perf event array of 0 entries gets one for each
    possible CPU.
    Raises LoadError for a spec that is wrong in itself, and SyscallError (`.why` has the cure).
    """
    _check(spec)
    if spec.type == bpf.BPF_MAP_TYPE_PERF_EVENT_ARRAY and not spec.max_entries:
        spec = spec._replace(max_entries=max(cpus.possible()) + 1)
    fields = {
        "map_type": spec.type,
        "key_size": spec.key_size,
        "value_size": spec.value_size,
        "max_entries": spec.max_entries,
        "map_flags": spec.flags,
        "map_name": object_name(spec.name),
    }
    try:
        with contextlib.ExitStack() as lent:
            descriptor = _make(spec, fields, _lend(spec, types, lent))
    except SyscallError as error:
        why = _why(spec, error)
        raise SyscallError(error.call, error.errno or 0, why, error.lacking) from None
    with contextlib.ExitStack() as undo:
        made = undo.enter_context(Map(spec, Fd(descriptor, f"map {spec.name}")))
        if spec.data is not None:
            made.update(bytes(spec.key_size), spec.data)
            if spec.flags & bpf.BPF_F_RDONLY_PROG:
                made.freeze()
        undo.pop_all()
    return made
