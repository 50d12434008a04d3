"""Which kernel functions are there, and why others are not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pybpf.errors import near_names
from pybpf.spec import Function
from pybpf.sys import kallsyms, modules

__all__ = ["Missing", "Resolved", "absent", "resolve"]

# Modules whose functions begin with another name than their own.
_PREFIXES = {"ntfs": "ntfs3", "nfs4": "nfsv4", "nfs3": "nfsv3", "cifs": "cifs", "kvm": "kvm"}


class Missing(NamedTuple):
    """A function that this kernel hasn't got now, and why, with the cure."""

    name: str
    why: str


class Resolved(NamedTuple):
    """Functions to attach to, in the order asked for; `missing` holds those that are not optional."""

    found: tuple[str, ...]
    missing: tuple[Missing, ...]


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


def resolve(functions: Iterable[Function]) -> Resolved:
    """Find out which of `functions` exist; of alternatives, the first that does."""
    functions = tuple(functions)
    there = kallsyms.find(name for function in functions for name in function.names)
    found, missing = [], []
    for function in functions:
        name = next((name for name in function.names if name in there), None)
        if name is not None:
            found.append(name)
        elif not function.optional:
            missing.append(Missing(function.names[0], absent(function.names[0])))
    return Resolved(tuple(found), tuple(missing))
