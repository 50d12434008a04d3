"""A map in the kernel: its descriptor, and its elements."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from types import TracebackType
from typing import Any, NamedTuple

from pybpf.errors import SyscallError
from pybpf.maps.codec import Codec
from pybpf.spec import MapSpec, align_up
from pybpf.sys import Fd, command, cpus, object_info
from pybpf.uapi import bpf

__all__ = ["Map", "MapInfo"]

_PER_CPU = frozenset(
    {
        bpf.BPF_MAP_TYPE_PERCPU_HASH,
        bpf.BPF_MAP_TYPE_PERCPU_ARRAY,
        bpf.BPF_MAP_TYPE_LRU_PERCPU_HASH,
        bpf.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE,
    }
)


class MapInfo(NamedTuple):
    """What the kernel says of a map (4.13)."""

    type: int
    id: int
    key_size: int
    value_size: int
    max_entries: int
    flags: int
    name: str


class Map:
    """Owner of a map's descriptor, and access to its elements.

    `lookup`, `update`, `delete`, `keys` and `items` take and give bytes. `map[key]` takes and gives what the
    spec's layouts say: an int for Int, a flat tuple of leaves for Struct, else bytes.
    A per-CPU map has a value for each possible processor, each padded to 8 bytes, one after another.
    """

    def __init__(self, spec: MapSpec, fd: Fd) -> None:
        self.spec = spec
        self._fd = fd
        self._frozen = False
        self._key = Codec(spec.key, spec.key_size)
        self._value = Codec(spec.value, spec.value_size)
        self._stored = spec.value_size
        if self.per_cpu:
            self._stored = align_up(spec.value_size, 8) * len(cpus.possible())

    def __repr__(self) -> str:
        return repr(self._fd)

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def per_cpu(self) -> bool:
        return self.spec.type in _PER_CPU

    def fileno(self) -> int:
        return self._fd.fileno()

    def close(self) -> None:
        self._fd.close()

    def __enter__(self) -> Map:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check(self, what: str, data: bytes, size: int) -> None:
        # The kernel reads as many bytes as it wants: fewer would make it read past the buffer's end.
        if len(data) != size:
            raise ValueError(f"{what} of {self.name}: {len(data)} bytes, expected {size}")

    def lookup(self, key: bytes) -> bytes | None:
        """The value at `key`, or None when there is none."""
        self._check("key", key, self.spec.key_size)
        value = bytearray(self._stored)
        try:
            command(bpf.BPF_MAP_LOOKUP_ELEM, map_fd=self.fileno(), key=key, value=value)
        except SyscallError as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        return bytes(value)

    def lookup_per_cpu(self, key: bytes) -> list[bytes]:
        """The value of each possible processor at `key`; KeyError when there is none."""
        data = self.lookup(key)
        if data is None:
            raise KeyError(key)
        stride = align_up(self.spec.value_size, 8)
        return [data[at : at + self.spec.value_size] for at in range(0, len(data), stride)]

    def update(self, key: bytes, value: bytes, flags: int = bpf.BPF_ANY) -> None:
        """Set the value; `flags` may be BPF_NOEXIST or BPF_EXIST. A full map gives E2BIG."""
        self._check("key", key, self.spec.key_size)
        self._check("value", value, self._stored)
        try:
            command(bpf.BPF_MAP_UPDATE_ELEM, map_fd=self.fileno(), key=key, value=value, flags=flags)
        except SyscallError as error:
            if self._frozen and error.errno == errno.EPERM:
                raise SyscallError(error.call, errno.EPERM, f"map {self.name} is frozen") from None
            raise

    def delete(self, key: bytes) -> bool:
        """Take the element away; False when there was none. An array's elements can't be (EINVAL)."""
        self._check("key", key, self.spec.key_size)
        try:
            command(bpf.BPF_MAP_DELETE_ELEM, map_fd=self.fileno(), key=key)
        except SyscallError as error:
            if error.errno == errno.ENOENT:
                return False
            raise
        return True

    def keys(self) -> Iterator[bytes]:
        """All keys. A hash that changes meanwhile may give some twice or not at all, but ends."""
        following = bytearray(self.spec.key_size)
        key: bytes | None = None
        for _ in range(self.spec.max_entries):
            # Without a key the kernel gives the first (4.12).
            start = {} if key is None else {"key": key}
            try:
                command(bpf.BPF_MAP_GET_NEXT_KEY, map_fd=self.fileno(), next_key=following, **start)
            except SyscallError as error:
                if error.errno == errno.ENOENT:
                    return
                raise
            key = bytes(following)
            yield key

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All elements that are there when their turn comes."""
        for key in self.keys():
            value = self.lookup(key)
            if value is not None:
                yield key, value

    def __getitem__(self, key: Any) -> Any:
        packed = self._key.pack(key)
        if self.per_cpu:
            return [self._value.unpack(value) for value in self.lookup_per_cpu(packed)]
        value = self.lookup(packed)
        if value is None:
            raise KeyError(key)
        return self._value.unpack(value)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.update(self._key.pack(key), self._value.pack(value))

    def __delitem__(self, key: Any) -> None:
        if not self.delete(self._key.pack(key)):
            raise KeyError(key)

    def __contains__(self, key: Any) -> bool:
        return self.lookup(self._key.pack(key)) is not None

    def __iter__(self) -> Iterator[Any]:
        return map(self._key.unpack, self.keys())

    def freeze(self) -> None:
        """No more updates from user space (5.2)."""
        command(bpf.BPF_MAP_FREEZE, map_fd=self.fileno())
        self._frozen = True

    def info(self) -> MapInfo:
        names = ("type", "id", "key_size", "value_size", "max_entries", "map_flags", "name")
        values = object_info(self.fileno(), "map", *names)
        return MapInfo._make((*values[:6], values[6].rstrip(b"\0").decode()))
