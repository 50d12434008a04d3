"""Which file systems a program traces: named, or found on this host."""

from __future__ import annotations

import os
from typing import Any

from pybpf.errors import UsageError
from pybpf.spec.params import Choice, Option, table
from pybpf.sys.mounts import kernel_type, mount_of, mounts

__all__ = ["FileSystems"]

_AUTO = "auto"


class FileSystems(Choice):
    """The parameter `filesystem`: rows of a table of functions by file system, one or several.

    Its value is names with commas between, `auto` for all that are mounted, or a path, which stands for the
    file system that it lies on; the option `--path` takes any path. What was found are names when a
    program is lowered.
    """

    def __init__(self, rows: str, *, default: str) -> None:
        super().__init__(
            "filesystem",
            table(rows),
            default,
            "the file systems to trace, with commas between; auto for those that are mounted",
            several=True,
            metavar="NAME,...",
        )

    @property
    def options(self) -> tuple[Option, ...]:
        return (*super().options, Option("--path", "PATH", "trace the file system of this path", self._at))

    def parse(self, text: str) -> Any:
        if text == _AUTO:
            return self._mounted()
        return self._at(text) if "/" in text else super().parse(text)

    def _mounted(self) -> str:
        types = {kernel_type(mount.type) for mount in mounts()}
        found = [name for name in self.rows if name in types]
        if not found:
            raise UsageError(f"none of {', '.join(self.rows)} is mounted: {self.option} says which to trace")
        return ",".join(found)

    def _at(self, path: str) -> str:
        try:
            mount = mount_of(path)
        except OSError as error:
            raise UsageError(f"{path}: {os.strerror(error.errno or 0)}") from None
        if kernel_type(mount.type) not in self.rows:
            raise UsageError(f"{path} is on {mount.type}, which is none of {', '.join(self.rows)}")
        return kernel_type(mount.type)
