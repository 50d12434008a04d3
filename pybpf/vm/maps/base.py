"""What all maps of the machine have in common.

A program sees addresses and error numbers (`address_of`, `put`, `remove`), a test sees bytes, or Python
values where the spec has layouts (`lookup`, `update`, `delete`, `map[key]`), as with `pybpf.maps.Map`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pybpf.errors import UsageError
from pybpf.spec import MapSpec, align_up
from pybpf.vm.memory import Region
from pybpf.vm.values import Value, decode, encode

if TYPE_CHECKING:
    from pybpf.vm.machine import Machine

__all__ = ["Map"]

E2BIG, EEXIST, EINVAL, ENOENT = errno.E2BIG, errno.EEXIST, errno.EINVAL, errno.ENOENT


class Map:
    """A map of one machine. `address` is what a program has in a register for it."""

    per_cpu = False

    def __init__(self, machine: Machine, spec: MapSpec) -> None:
        self.machine = machine
        self.spec = spec
        self.name = spec.name
        self.address = machine.memory.map(bytearray(), f"map {spec.name}", writable=False).address

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    # For programs: 0 or an address; 0 or a negative error number.

    def address_of(self, key: bytes) -> int:
        """The address of the value of `key` on the machine's current CPU; 0 when there is none."""
        cells = self.cells(key)
        return cells[self.machine.cpu if self.per_cpu else 0].address if cells else 0

    def put(self, key: bytes, value: bytes, flags: int = 0) -> int:
        """Update an element; of a per-CPU map only on the current CPU."""
        return -errno.EOPNOTSUPP

    def remove(self, key: bytes) -> int:
        return -errno.EOPNOTSUPP

    # What a map type defines.

    def cells(self, key: bytes) -> list[Region]:
        """Where the value of `key` lies: one region, or one a CPU; none when it isn't there."""
        return []

    def keys(self) -> Iterator[bytes]:
        return iter(())

    # For tests.

    def lookup(self, key: bytes) -> bytes | None:
        """The value's bytes, those of all CPUs one after another (each padded to 8); None: no such key."""
        cells = self.cells(key)
        if not cells:
            return None
        if not self.per_cpu:
            return bytes(cells[0].data)
        size = align_up(self.spec.value_size, 8)
        return b"".join(bytes(cell.data).ljust(size, b"\0") for cell in cells)

    def update(self, key: bytes, value: bytes, flags: int = 0) -> None:
        """Set a value, of a per-CPU map on each CPU. Raises `OSError` as the kernel's would."""
        size = align_up(self.spec.value_size, 8)
        cpu, count = self.machine.cpu, self.machine.cpus if self.per_cpu else 1
        values = [value] if len(value) == self.spec.value_size else []
        if self.per_cpu and len(value) == size * count:
            values = [value[start : start + self.spec.value_size] for start in range(0, len(value), size)]
        if not values:
            raise UsageError(f"map {self.name}: value of {len(value)} bytes, expected {self.spec.value_size}")
        try:
            for number in range(count):
                self.machine.cpu = number if self.per_cpu else cpu
                self._raise(self.put(key, values[number % len(values)], flags if number == 0 else 0))
        finally:
            self.machine.cpu = cpu

    def delete(self, key: bytes) -> bool:
        """Remove a key; False when there was none."""
        error = self.remove(key)
        if error == -ENOENT:
            return False
        self._raise(error)
        return True

    def _raise(self, error: int) -> None:
        if error:
            raise OSError(-error, f"map {self.name}: {os.strerror(-error)}")

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        for key in list(self.keys()):
            value = self.lookup(key)
            if value is not None:
                yield key, value

    def __len__(self) -> int:
        return sum(1 for _ in self.keys())

    def __contains__(self, key: Value) -> bool:
        return bool(self.cells(self._key(key)))

    def _key(self, key: Value) -> bytes:
        if isinstance(key, int) and self.spec.key is None:
            return key.to_bytes(self.spec.key_size, "little")
        return encode(self.spec.key, key, self.spec.key_size)

    def __getitem__(self, key: Value) -> Any:
        """The value of `key` by the spec's layouts, of a per-CPU map a list of them. Raises KeyError."""
        values = [decode(self.spec.value, bytes(cell.data)) for cell in self.cells(self._key(key))]
        if not values:
            raise KeyError(key)
        return values if self.per_cpu else values[0]

    def __setitem__(self, key: Value, value: Value) -> None:
        self.update(self._key(key), encode(self.spec.value, value, self.spec.value_size))

    def __delitem__(self, key: Value) -> None:
        if not self.delete(self._key(key)):
            raise KeyError(key)

    def new_cells(self) -> list[Region]:
        """Fresh zeroed memory for one value."""
        count = self.machine.cpus if self.per_cpu else 1
        size = self.spec.value_size
        return [self.machine.memory.map(bytearray(size), f"a value of {self.name}") for _ in range(count)]
