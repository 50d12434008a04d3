"""Whose events are wanted, by mount namespace: chosen ones, processes', and those of chosen containers.

`gadget_mntns_filter_map` holds them. Containers that start or end are followed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import NamedTuple

from pybpf.containers import Container, Containers, Pod
from pybpf.errors import SyscallError, UsageError
from pybpf.maps import Map
from pybpf.sys import namespaces

__all__ = ["Filter", "Wanted", "namespace_of"]


class Wanted(NamedTuple):
    """Mount namespaces by their inode numbers, and containers: `all`, or those that fit all that is given.

    Each container name, id, pod or Kubernetes namespace is the beginning of what is meant; of several of one
    sort, one must fit.
    """

    namespaces: tuple[int, ...] = ()
    all: bool = False
    containers: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()
    pod_namespaces: tuple[str, ...] = ()

    @property
    def follows(self) -> bool:
        """Are containers chosen, which come and go?"""
        return self.all or bool(self.containers or self.pods or self.pod_namespaces)

    def __bool__(self) -> bool:
        return self.follows or bool(self.namespaces)

    def wants(self, container: Container) -> bool:
        pod = container.pod or Pod()
        return (
            self.follows
            and (not self.containers or any(map(container.called, self.containers)))
            and (not self.pods or pod.name.startswith(self.pods))
            and (not self.pod_namespaces or pod.namespace in self.pod_namespaces)
        )


def namespace_of(pid: int) -> int:
    """The mount namespace of a process. Raises UsageError when there is none that can be seen."""
    try:
        found = namespaces.mount_namespace(pid)
    except PermissionError:
        raise UsageError(
            f"process {pid}'s mount namespace can't be seen: run it as root (sudo), or with CAP_SYS_PTRACE"
        ) from None
    if not found:
        raise UsageError(f"there is no process {pid}")
    return found


class Filter:
    """Keeps the map of wanted mount namespaces up to date: call `update` each PERIOD, in seconds.

    `warn` is told, once, when the map is full.
    """

    PERIOD = Containers.PERIOD

    def __init__(self, map: Map, wanted: Wanted, warn: Callable[[str], None]) -> None:
        self._map = map
        self._wanted = wanted
        self._containers = Containers()
        self._warn: Callable[[str], None] | None = warn
        self._inside: set[int] = set()
        self.update()

    def update(self) -> None:
        """Put in what is wanted now, take out what has ended."""
        if self._wanted.follows:
            self._containers.refresh()
        found = self._containers.found
        wanted = {number for number, each in found.items() if self._wanted.wants(each)}
        wanted.update(self._wanted.namespaces)
        for number in self._inside - wanted:
            with contextlib.suppress(KeyError):
                del self._map[number]
        self._inside &= wanted
        for number in wanted - self._inside:
            try:
                self._map[number] = 1
            except SyscallError as error:
                self._full(error)
                return
            self._inside.add(number)

    def _full(self, error: SyscallError) -> None:
        if self._warn is not None:
            self._warn(f"not all containers are traced, there are too many of them: {error}")
            self._warn = None
