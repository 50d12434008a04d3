"""Helpers for maps, and calls from one program into another."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from pybpf.vm.errors import Fault
from pybpf.vm.helpers.table import helper
from pybpf.vm.maps import BloomFilter, Keyless, LocalStorage, Map, ProgramArray, Queue

__all__ = [
    "bpf_cgrp_storage_delete",
    "bpf_cgrp_storage_get",
    "bpf_for_each_map_elem",
    "bpf_inode_storage_delete",
    "bpf_inode_storage_get",
    "bpf_loop",
    "bpf_map_delete_elem",
    "bpf_map_lookup_elem",
    "bpf_map_lookup_percpu_elem",
    "bpf_map_peek_elem",
    "bpf_map_pop_elem",
    "bpf_map_push_elem",
    "bpf_map_update_elem",
    "bpf_sk_storage_delete",
    "bpf_sk_storage_get",
    "bpf_spin_lock",
    "bpf_spin_unlock",
    "bpf_tail_call",
    "bpf_task_storage_delete",
    "bpf_task_storage_get",
]

if TYPE_CHECKING:
    from collections.abc import Callable

    from pybpf.vm.machine import Machine

_LOCAL_STORAGE_GET_F_CREATE = 1
_MAX_LOOPS = 1 << 23


@helper
def bpf_map_lookup_elem(machine: Machine, map: int, key: int) -> int:
    found = machine.map_at(map, Map)
    return found.address_of(machine.memory.read(key, found.spec.key_size))


@helper
def bpf_map_lookup_percpu_elem(machine: Machine, map: int, key: int, cpu: int) -> int:
    found = machine.map_at(map, Map)
    cells = found.cells(machine.memory.read(key, found.spec.key_size))
    return cells[cpu & 0xFFFF_FFFF].address if cpu & 0xFFFF_FFFF < len(cells) else 0


@helper
def bpf_map_update_elem(machine: Machine, map: int, key: int, value: int, flags: int) -> int:
    found, read = machine.map_at(map, Map), machine.memory.read
    return found.put(read(key, found.spec.key_size), read(value, found.spec.value_size), flags)


@helper
def bpf_map_delete_elem(machine: Machine, map: int, key: int) -> int:
    found = machine.map_at(map, Map)
    return found.remove(machine.memory.read(key, found.spec.key_size))


@helper
def bpf_map_push_elem(machine: Machine, map: int, value: int, flags: int) -> int:
    found = machine.map_at(map, Keyless)
    return found.push(machine.memory.read(value, found.spec.value_size), flags)


def _take(machine: Machine, map: int, value: int, take: Callable[[Queue], bytes | None]) -> int:
    found = machine.map_at(map, Queue)
    data = take(found)
    machine.memory.write(value, bytes(found.spec.value_size) if data is None else data)
    return -errno.ENOENT if data is None else 0


@helper
def bpf_map_pop_elem(machine: Machine, map: int, value: int) -> int:
    return _take(machine, map, value, Queue.pop)


@helper
def bpf_map_peek_elem(machine: Machine, map: int, value: int) -> int:
    found = machine.map_at(map, Keyless)
    if isinstance(found, BloomFilter):
        return found.test(machine.memory.read(value, found.spec.value_size))
    return _take(machine, map, value, Queue.peek)


@helper
def bpf_for_each_map_elem(machine: Machine, map: int, callback: int, context: int, flags: int) -> int:
    """Calls `callback(map, key, value, context)`; the number of elements it was called for."""
    if flags:
        return -errno.EINVAL
    found, count = machine.map_at(map, Map), 0
    for key in list(found.keys()):
        address = found.address_of(key)
        if not address:
            continue
        count += 1
        key_address = machine.memory.map(bytearray(key), f"a key of {found.name}", writable=False)
        stop = machine.call_back(callback, map, key_address.address, address, context)
        machine.memory.unmap(key_address)
        if stop:
            break
    return count


@helper
def bpf_loop(machine: Machine, count: int, callback: int, context: int, flags: int) -> int:
    """Calls `callback(index, context)` up to `count` times, until it returns 1."""
    count &= 0xFFFF_FFFF
    if flags:
        return -errno.EINVAL
    if count > _MAX_LOOPS:
        return -errno.E2BIG
    for index in range(count):
        if machine.call_back(callback, index, context):
            return index + 1
    return count


@helper
def bpf_tail_call(machine: Machine, context: int, map: int, index: int) -> int | Callable[..., int]:
    """The program to go on with, or an error number."""
    found = machine.map_at(map, ProgramArray)
    to = found.program(index & 0xFFFF_FFFF)
    if to is None or machine.tail_calls >= machine.MAX_TAIL_CALLS:
        return -errno.ENOENT
    machine.tail_calls += 1
    return to


def _storage(machine: Machine, map: int, owner: int, value: int, flags: int) -> int:
    found = machine.map_at(map, LocalStorage)
    if not owner or flags & ~_LOCAL_STORAGE_GET_F_CREATE:
        return 0
    initial = machine.memory.read(value, found.spec.value_size) if value else bytes(found.spec.value_size)
    return found.get(owner, initial if flags else None)


def _storage_delete(machine: Machine, map: int, owner: int) -> int:
    return machine.map_at(map, LocalStorage).remove(owner.to_bytes(8, "little")) if owner else -errno.EINVAL


@helper
def bpf_task_storage_get(machine: Machine, map: int, task: int, value: int, flags: int) -> int:
    return _storage(machine, map, task, value, flags)


@helper
def bpf_task_storage_delete(machine: Machine, map: int, task: int) -> int:
    return _storage_delete(machine, map, task)


@helper
def bpf_inode_storage_get(machine: Machine, map: int, inode: int, value: int, flags: int) -> int:
    return _storage(machine, map, inode, value, flags)


@helper
def bpf_inode_storage_delete(machine: Machine, map: int, inode: int) -> int:
    return _storage_delete(machine, map, inode)


@helper
def bpf_sk_storage_get(machine: Machine, map: int, sk: int, value: int, flags: int) -> int:
    return _storage(machine, map, sk, value, flags)


@helper
def bpf_sk_storage_delete(machine: Machine, map: int, sk: int) -> int:
    return _storage_delete(machine, map, sk)


@helper
def bpf_cgrp_storage_get(machine: Machine, map: int, cgroup: int, value: int, flags: int) -> int:
    return _storage(machine, map, cgroup, value, flags)


@helper
def bpf_cgrp_storage_delete(machine: Machine, map: int, cgroup: int) -> int:
    return _storage_delete(machine, map, cgroup)


@helper
def bpf_spin_lock(machine: Machine, lock: int) -> None:
    """Locks are held within one program: a lock that is held already would never be let go."""
    if machine.memory.load(lock, 4):
        raise Fault(f"the lock at {lock:#x} is held already")
    machine.memory.store(lock, 4, 1)


@helper
def bpf_spin_unlock(machine: Machine, lock: int) -> None:
    if not machine.memory.load(lock, 4):
        raise Fault(f"the lock at {lock:#x} is not held")
    machine.memory.store(lock, 4, 0)
