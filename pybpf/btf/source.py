"""Where BTF comes from: bytes, a file, the running kernel, the reference that ships."""

from __future__ import annotations

import mmap
import os

from pybpf.btf.graph import Btf
from pybpf.errors import BtfError, UnsupportedFeature

__all__ = ["kernel", "load", "parse", "reference"]

_KERNEL = "/sys/kernel/btf/vmlinux"


def parse(data: bytes, base: Btf | None = None, name: str = "") -> Btf:
    """The BTF in `data`; `base` is that on which a split one builds. Raises `BtfError`."""
    return Btf(data, base, name)


def load(path: str | os.PathLike[str], base: Btf | None = None) -> Btf:
    """The BTF in a file, mapped and not copied. Raises `BtfError` when the file can't be read or is none."""
    name = os.fspath(path)
    try:
        return Btf(_contents(name), base, name)
    except OSError as error:
        raise BtfError(f"{name}: {error.strerror}") from None
    except BtfError as error:
        raise BtfError(f"{name}: {error}") from None


def _contents(path: str) -> bytes | mmap.mmap:
    with open(path, "rb", buffering=0) as file:
        try:
            return mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ)
        except (OSError, ValueError):
            # An empty file or a pipe; /sys/kernel/btf before Linux 6.16.
            return file.readall()


_loaded: dict[str, Btf] = {}


def kernel() -> Btf:
    """The running kernel's BTF (Linux 5.4, `CONFIG_DEBUG_INFO_BTF`). Raises `UnsupportedFeature`."""
    if _KERNEL not in _loaded:
        if not os.path.exists(_KERNEL):
            why = f"no {_KERNEL}: give the types of this kernel with --btf FILE"
            raise UnsupportedFeature("BTF", "5.4, built with CONFIG_DEBUG_INFO_BTF", why)
        _loaded[_KERNEL] = load(_KERNEL)
    return _loaded[_KERNEL]


def reference() -> Btf:
    """The cut-out of a reference kernel's types that ships with pybpf (`tools/gen_reference_btf.py`)."""
    path = os.path.join(os.path.dirname(__file__), "data", "reference.btf")
    if path not in _loaded:
        _loaded[path] = load(path)
    return _loaded[path]
