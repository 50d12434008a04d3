"""Where BTF comes from: bytes, a file, the running kernel, the reference that ships."""

from __future__ import annotations

import os

from pybpf.btf import container
from pybpf.btf.graph import Btf
from pybpf.errors import BtfError, UnsupportedFeature

__all__ = ["kernel", "load", "module", "parse", "places", "reference", "replaced", "use"]

_FOLDER = "/sys/kernel/btf"
# The key of the kernel's types.
_KERNEL = "kernel"
_loaded: dict[str, Btf] = {}


def parse(data: bytes, base: Btf | None = None, name: str = "") -> Btf:
    """The BTF in `data`; `base` is that on which a split one builds. Raises `BtfError`."""
    return Btf(data, base, name)


def load(path: str | os.PathLike[str], base: Btf | None = None, index: bool = False) -> Btf:
    """The BTF in a file: raw, in an ELF file's `.BTF` section, compressed, or in a tar archive.

    With `index`, where its types start is kept in the user's cache, once that takes long to find.
    Raises `BtfError` when the file can't be read or has none.
    """
    name = os.fspath(path)
    try:
        return Btf(container.read(name), base, name, index)
    except OSError as error:
        raise BtfError(f"{name}: {error.strerror}") from None
    except BtfError as error:
        raise BtfError(f"{name}: {error}") from None


def places() -> list[str]:
    """The files in which `kernel` looks, in this order: the running kernel's own, then its debug files."""
    release = os.uname().release
    return [
        f"{_FOLDER}/vmlinux",
        f"/boot/vmlinux-{release}",
        f"/lib/modules/{release}/vmlinux",
        f"/lib/modules/{release}/build/vmlinux",
        f"/usr/lib/debug/boot/vmlinux-{release}",
        f"/usr/lib/debug/lib/modules/{release}/vmlinux",
    ]


def kernel() -> Btf:
    """The running kernel's BTF (Linux 5.4, `CONFIG_DEBUG_INFO_BTF`), or what `use` was told.

    Raises `UnsupportedFeature` when there is none in any of `places`.
    """
    if _KERNEL not in _loaded:
        found = next(filter(os.path.exists, places()), None)
        if found is None:
            why = f"there is no {_FOLDER}/vmlinux: give the types of this kernel with --btf FILE"
            raise UnsupportedFeature("BTF", "5.4, built with CONFIG_DEBUG_INFO_BTF", why)
        _loaded[_KERNEL] = load(found, index=True)
    return _loaded[_KERNEL]


def replaced() -> bool:
    """Was `use` told of other types than the running kernel's own?"""
    return _KERNEL in _loaded and _loaded[_KERNEL].name not in places()


def use(path: str | os.PathLike[str]) -> Btf:
    """Take the BTF in a file for the running kernel's from now on: for a kernel that was built without."""
    _loaded[_KERNEL] = load(path, index=True)
    return _loaded[_KERNEL]


def module(name: str) -> Btf:
    """The BTF of a loaded kernel module (Linux 5.11), split on the kernel's. Raises `UnsupportedFeature`."""
    path = f"{_FOLDER}/{name.replace('-', '_')}"
    if path not in _loaded:
        base = kernel()
        if not os.path.exists(path):
            why = f"there is no {path}: is the module loaded (modprobe {name}), or built in?"
            raise UnsupportedFeature(f"BTF of a module {name!r}", "5.11", why)
        _loaded[path] = load(path, base)
    return _loaded[path]


def reference() -> Btf:
    """The cut-out of a reference kernel's types that ships with pybpf (`tools/gen_reference_btf.py`)."""
    path = os.path.join(os.path.dirname(__file__), "data", "reference.btf")
    if path not in _loaded:
        _loaded[path] = load(path)
    return _loaded[path]
