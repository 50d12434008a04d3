"""Whose container an event comes from: fields that are found by its mount namespace and process.

A namespace is looked at when its first event comes, by that event's process, which takes no privilege; and,
since its number may be another's later, again after a second.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pybpf.gadget.fields import Shown
from pybpf.spec import CString, Int, Struct
from pybpf.sys.namespaces import host

if TYPE_CHECKING:
    from pybpf.containers import Container

__all__ = ["FIELDS", "Owners"]

# Seconds after which a namespace is looked at again.
_LASTS = 1.0
_TEXT = CString(64)

# What is shown of a container: below `k8s` nothing when it's in no pod.
FIELDS: dict[str, Callable[[Container], str]] = {
    "runtime.runtimeName": lambda each: each.runtime,
    "runtime.containerId": lambda each: each.id,
    "runtime.containerName": lambda each: each.name,
    "runtime.containerImageName": lambda each: each.image,
    "k8s.namespace": lambda each: each.pod.namespace if each.pod else "",
    "k8s.podName": lambda each: each.pod.name if each.pod else "",
    "k8s.podUid": lambda each: each.pod.uid if each.pod else "",
    "k8s.containerName": lambda each: each.pod.container if each.pod else "",
}


class Owners:
    """The containers of the mount namespaces that events come from: `note` each batch before it's shown.

    Of a layout without a mount namespace and the process beside it nothing is known.
    """

    def __init__(self, layout: Struct) -> None:
        names = {leaf.name: index for index, leaf in enumerate(layout.leaves())}
        found = [
            (index, names[process])
            for index, leaf in enumerate(layout.leaves())
            if isinstance(leaf.layout, Int) and leaf.layout.role == "mntns"
            for process in [leaf.name[: leaf.name.rfind(".") + 1] + "pid"]
            if process in names
        ]
        self._sources = found[0] if found else None
        self._host, self._root = host()
        self._known: dict[int, tuple[float, Container | None]] = {}

    def note(self, batch: Sequence[tuple[Any, ...]]) -> None:
        """Find out about the namespaces of these decoded events that aren't known yet."""
        if self._sources is None:
            return
        namespace, pid = self._sources
        numbers = {event[namespace] for event in batch}
        numbers.discard(self._host)
        if not numbers:
            return
        now = time.monotonic()
        asked = {number for number in numbers if self._known.get(number, (0.0, None))[0] <= now}
        if asked:
            # Of several processes the last: the most likely to be there still.
            for number, process in {event[namespace]: event[pid] for event in batch}.items():
                if number in asked:
                    self._look(number, process, now)

    def _look(self, number: int, pid: int, now: float) -> None:
        from pybpf.containers import identify  # takes long to import, and most hosts have none

        found = identify(self._root, pid)
        if found is None and not os.path.exists(f"/proc/{pid}"):
            found = self._known.get(number, (0.0, None))[1]
        self._known[number] = now + _LASTS, found

    def fields(self, layout: Struct) -> Iterator[Shown]:
        """The fields that events have beside those of their layout, if they come from a container."""
        if self._sources is None:
            return
        for path, get in FIELDS.items():
            text = self._text(get)
            yield Shown(path, self._sources[0], _TEXT, text, lasting=False, optional=True, local=True)

    def _text(self, get: Callable[[Container], str]) -> Callable[[int], str | None]:
        known = self._known
        nothing = (0.0, None)

        def text(number: int) -> str | None:
            container = known.get(number, nothing)[1]
            return None if container is None else get(container) or None

        return text
