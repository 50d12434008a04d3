"""The kernel's modules: which are loaded, and which could be."""

from __future__ import annotations

import functools
import os
import re

from pybpf.sys.files import read_text

__all__ = ["available", "loaded"]


def loaded(name: str) -> bool:
    """Is that module in this kernel, loaded or built in?"""
    return os.path.isdir(f"/sys/module/{name}") or f"/{name}.ko" in _index("modules.builtin")


def available(name: str) -> bool:
    """Can it be loaded with modprobe?"""
    return bool(re.search(rf"/{re.escape(name)}\.ko(\.\w+)?:", _index("modules.dep")))


@functools.cache
def _index(name: str) -> str:
    return read_text(f"/lib/modules/{os.uname().release}/{name}")
