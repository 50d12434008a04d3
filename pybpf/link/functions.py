"""Which kernel functions are there, and why others are not: for kprobes, fentry and their like."""

from __future__ import annotations

from collections.abc import Iterable

from pybpf.errors import near_names
from pybpf.sys import kallsyms, modules

__all__ = ["absent", "there"]

# Modules whose functions begin with another name than their own.
_PREFIXES = {"ntfs": "ntfs3", "nfs4": "nfsv4", "nfs3": "nfsv3", "cifs": "cifs", "kvm": "kvm"}


def there(names: Iterable[str]) -> set[str]:
    """Which of these functions the kernel and its modules have."""
    return set(kallsyms.find(names))


def absent(name: str) -> str:
    """Why the kernel has no function of that name, and what to do."""
    prefix = name.split("_")[0]
    module = _PREFIXES.get(prefix, prefix)
    if not modules.loaded(module) and modules.available(module):
        return f"module {module} is not loaded: modprobe {module}"
    names = kallsyms.starting_with(name)
    if not names and not kallsyms.readable():
        return "the kernel's symbols can't be read: run it as root (sudo), with /proc mounted"
    parts = sorted(found for found in names if found.startswith(f"{name}."))
    if parts:
        return f"the compiler left only a part of it, {parts[0]}"
    near = " or ".join(near_names(name, names))
    return f"this kernel has no such function{f' (did you mean {near}?)' if near else ''}"
