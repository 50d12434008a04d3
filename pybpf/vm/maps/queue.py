"""Queues, stacks and Bloom filters: maps without keys (kernel/bpf/queue_stack_maps.c, bloom_filter.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybpf.spec import MapSpec
from pybpf.uapi.bpf import BPF_ANY, BPF_EXIST
from pybpf.vm.maps.base import E2BIG, EINVAL, ENOENT, Map

if TYPE_CHECKING:
    from pybpf.vm.machine import Machine

__all__ = ["BloomFilter", "Keyless", "Queue", "Stack"]


class Keyless(Map):
    """A map of values alone."""

    def push(self, value: bytes, flags: int = 0) -> int:
        """Put a value in: 0 or a negative error number."""
        raise NotImplementedError


class Queue(Keyless):
    """First in, first out. With BPF_EXIST a push to a full one drops the oldest."""

    _next = 0

    def __init__(self, machine: Machine, spec: MapSpec) -> None:
        super().__init__(machine, spec)
        self.values: list[bytes] = []

    def push(self, value: bytes, flags: int = 0) -> int:
        if flags not in (BPF_ANY, BPF_EXIST):
            return -EINVAL
        if len(self.values) >= self.spec.max_entries:
            if flags != BPF_EXIST:
                return -E2BIG
            del self.values[0]
        self.values.append(value)
        return 0

    def peek(self) -> bytes | None:
        """The value that `pop` would take; None when there is none."""
        return self.values[self._next] if self.values else None

    def pop(self) -> bytes | None:
        """Take a value out; None when there is none."""
        return self.values.pop(self._next) if self.values else None

    def __len__(self) -> int:
        return len(self.values)


class Stack(Queue):
    """Last in, first out."""

    _next = -1


class BloomFilter(Keyless):
    """Knows what was pushed. Unlike the kernel's it never says yes to what was not."""

    def __init__(self, machine: Machine, spec: MapSpec) -> None:
        super().__init__(machine, spec)
        self.values: set[bytes] = set()

    def push(self, value: bytes, flags: int = 0) -> int:
        if flags != BPF_ANY:
            return -EINVAL
        self.values.add(value)
        return 0

    def test(self, value: bytes) -> int:
        """0 when it was pushed, else -ENOENT."""
        return 0 if value in self.values else -ENOENT
