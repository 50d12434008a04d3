"""A program in the kernel: lowered for this host, loaded, and attached once its reader is ready."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any

from pybpf.gadget.attach import Attachments
from pybpf.gadget.filters import mntns_filter_map
from pybpf.gadget.privilege import give_up
from pybpf.load import load
from pybpf.spec import ObjectSpec

__all__ = ["Running"]


class Running:
    """Owner of a program's maps, programs and attachments, from `with` to its end, whatever ends it.

    `values` are those of the program's parameters, by name; `warn` is told of each function that can't be
    traced, which is an error when `strict`. Raises what loading and attaching raise.
    """

    def __init__(
        self, spec: ObjectSpec, values: Mapping[str, Any], *, strict: bool, warn: Callable[[str], None]
    ) -> None:
        # Before anything is loaded, which takes the most time.
        self._attachments = Attachments(spec, strict=strict, warn=warn)
        with contextlib.ExitStack() as owned:
            self._loaded = owned.enter_context(load(self._attachments.needed(spec)))
            self.maps = self._loaded.maps
            if values.get("mntns"):
                self.maps[mntns_filter_map.name][values["mntns"]] = 1
            owned.callback(self._attachments.close)
            self._owned = owned.pop_all()

    def attach(self) -> None:
        """Let the probes run."""
        self._attachments.attach(self._loaded)

    @property
    def attached(self) -> list[str]:
        """The kernel functions, and other places, that are traced."""
        return self._attachments.attached

    def give_up(self, keep: Iterable[str] = ()) -> frozenset[str]:
        """Drop all capabilities but `keep` and those that what is attached still needs; see `give_up`."""
        return give_up(self.maps.values(), keep)

    def detach(self) -> None:
        """Take the probes off; what they have sent or counted can still be read."""
        self._attachments.close()

    def close(self) -> None:
        """End all: probes, programs, maps."""
        self._owned.close()

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
