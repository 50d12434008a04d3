"""Maps of maps, of programs and of cgroups: their values are objects, which a test puts in.

machine.maps["outer"].refer(0, machine.new_map(spec))
machine.maps["jumps"].refer(3, "another_program")
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from pybpf.errors import UsageError
from pybpf.spec import MapSpec
from pybpf.vm.maps.base import ENOENT, Map
from pybpf.vm.values import Value

if TYPE_CHECKING:
    from pybpf.vm.machine import Machine

__all__ = ["ArrayOfMaps", "CgroupArray", "HashOfMaps", "ProgramArray"]


class _References(Map):
    def __init__(self, machine: Machine, spec: MapSpec) -> None:
        super().__init__(machine, spec)
        self._objects: dict[bytes, Any] = {}

    def refer(self, key: Value, to: Any) -> None:
        """Let the element `key` be `to`."""
        encoded = self._key(key)
        if len(self._objects) >= self.spec.max_entries and encoded not in self._objects:
            raise UsageError(f"map {self.name} is full ({self.spec.max_entries} entries)")
        self._objects[encoded] = to

    def referred(self, key: bytes) -> Any:
        """What the element is; None when it is not there."""
        return self._objects.get(key)

    def keys(self) -> Iterator[bytes]:
        return iter(self._objects)

    def remove(self, key: bytes) -> int:
        return 0 if self._objects.pop(key, None) is not None else -ENOENT


class ArrayOfMaps(_References):
    """The elements are maps of the same machine (`Machine.new_map`)."""

    def address_of(self, key: bytes) -> int:
        inner = self.referred(key)
        return inner.address if inner is not None else 0


class HashOfMaps(ArrayOfMaps):
    """As `ArrayOfMaps`, with any key."""


class ProgramArray(_References):
    """The elements are the names of programs, for `bpf_tail_call`."""

    def program(self, index: int) -> Callable[..., int] | None:
        """The translated program at `index`; None when there is none."""
        name = self.referred(index.to_bytes(4, "little"))
        return self.machine.program(name).main() if name is not None else None


class CgroupArray(_References):
    """The elements are cgroup ids."""
