"""The kernels whose BTF is at hand: the running one, and those that tools/vm has fetched."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pybpf" / "kernels"
_FETCHED = sorted(_CACHE.glob("*/vmlinux"))

KERNELS = [
    pytest.param("/sys/kernel/btf/vmlinux", id="running", marks=pytest.mark.needs("btf")),
    *(pytest.param(str(path), id=path.parent.name) for path in _FETCHED),
]


def bpftool() -> str:
    """The path of bpftool; the test fails where it is not installed."""
    found = shutil.which("bpftool", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        pytest.fail("no bpftool: apt-get install bpftool")
    return found
