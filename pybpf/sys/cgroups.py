"""Control groups, version 2: where they are mounted."""

from __future__ import annotations

import os

from pybpf.sys.mounts import mounts

__all__ = ["find", "root"]


def root() -> str:
    """Where cgroup2 is mounted; empty when nowhere."""
    return next((mount.point for mount in mounts() if mount.type == "cgroup2"), "")


def find(name: str) -> str:
    """The folder of a group, by its path or by its name below the root (`/system.slice`); empty when none."""
    top = root()
    if not top:
        return ""
    inside = name == top or name.startswith(f"{top}/")
    path = name if inside else top + name.rstrip("/")
    return path if os.path.isdir(path) else ""
