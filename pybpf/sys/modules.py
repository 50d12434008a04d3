"""The kernel's modules: which are loaded, and which could be."""

from __future__ import annotations

import functools
import os
import re

from pybpf.sys.files import read_text

__all__ = ["any_loaded", "available", "loaded", "with_types"]


def loaded(name: str) -> bool:
    """Is that module in this kernel, loaded or built in?"""
    return os.path.isdir(f"/sys/module/{name}") or f"/{name}.ko" in _index("modules.builtin")


def available(name: str) -> bool:
    """Can it be loaded with modprobe?"""
    return bool(re.search(rf"/{re.escape(name)}\.ko(\.\w+)?:", _index("modules.dep")))


def any_loaded() -> bool:
    """Is any there that isn't built in?"""
    return bool(read_text("/proc/modules"))


def with_types() -> list[str]:
    """The loaded ones whose BTF the kernel has (5.11)."""
    try:
        return [name for name in os.listdir("/sys/kernel/btf") if name != "vmlinux"]
    except OSError:
        return []


@functools.cache
def _index(name: str) -> str:
    return read_text(f"/lib/modules/{os.uname().release}/{name}")
