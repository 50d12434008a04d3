"""Control groups, version 2: where they are mounted."""

from __future__ import annotations

import os

from pybpf.sys.files import read_text

__all__ = ["find", "root"]


def root() -> str:
    """Where cgroup2 is mounted; empty when nowhere."""
    for line in read_text("/proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        if after.split()[0] == "cgroup2":
            return before.split()[4]
    return ""


def find(name: str) -> str:
    """The folder of a group, by its path or by its name below the root (`/system.slice`); empty when none."""
    top = root()
    if not top:
        return ""
    inside = name == top or name.startswith(f"{top}/")
    path = name if inside else top + name.rstrip("/")
    return path if os.path.isdir(path) else ""
