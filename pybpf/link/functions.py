"""Which kernel functions are there, and why others are not: for kprobes, fentry and their like."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable
from typing import NamedTuple

from pybpf.errors import near_names
from pybpf.sys import kallsyms, modules

__all__ = ["Point", "absent", "point", "refused", "there"]

# Modules whose functions begin with another name than their own.
_PREFIXES = {"ntfs": "ntfs3", "nfs4": "nfsv4", "nfs3": "nfsv3", "cifs": "cifs", "kvm": "kvm"}

# What compilers add to the name of a function that they left a part of, or that they changed (gcc's
# interprocedural optimisations; clang's link-time ones).
_PART = r"\.(part|cold)\b"
_SYSCALL = r"(__x64_|__arm64_|__se_|__do_)?(sys_|SyS_)(?P<name>\w+)"


class Point(NamedTuple):
    """A place in the kernel's code: an `offset` in bytes into a function, or into nothing: an address."""

    function: str
    offset: int


def point(symbol: str) -> Point:
    """What `vfs_read`, `vfs_read+0x10` or `0xffffffff81000000` is."""
    if symbol.startswith("0x"):
        return Point("", int(symbol, 16))
    function, _, offset = symbol.partition("+")
    return Point(function, int(offset or "0", 0))


def there(names: Iterable[str]) -> set[str]:
    """Which of these functions, places in them and addresses the kernel and its modules have."""
    points = {name: point(name) for name in names}
    known = kallsyms.find({each.function for each in points.values() if each.function})
    return {name for name, each in points.items() if each.function in known or not each.function}


def absent(name: str) -> str:
    """Why the kernel has no function of that name, and what to do."""
    name = point(name).function
    prefix = name.split("_")[0]
    module = _PREFIXES.get(prefix, prefix)
    if not modules.loaded(module) and modules.available(module):
        return f"module {module} is not loaded: modprobe {module}"
    names = kallsyms.starting_with(name)
    if not names and not kallsyms.readable():
        return "the kernel's symbols can't be read: run it as root (sudo), with /proc mounted"
    parts = sorted(found for found in names if found.startswith(f"{name}."))
    renamed = [found for found in parts if not re.search(_PART, found)]
    if renamed:
        return (
            f"the compiler changed it, and renamed it to {renamed[0]}: name that, if its parameters are still"
            " those that you need"
        )
    if parts:
        return f"the compiler left only a part of it, {parts[0]}"
    syscall = re.fullmatch(_SYSCALL, name)
    if syscall:
        return (
            f"system calls have other names on each architecture: @kprobe({syscall['name']!r}, syscall=True)"
        )
    near = " or ".join(near_names(name, names))
    if near:
        return f"this kernel has no such function (did you mean {near}?)"
    return "this kernel has no such function: it has another name, or was inlined into those that call it"


def refused(symbol: str, code: int) -> str:
    """Why the kernel doesn't let a program onto a function, from the error that it gave; empty if unknown.

    (kernel/kprobes.c, kernel/trace/trace_kprobe.c, kernel/trace/ftrace.c)
    """
    function, offset = point(symbol)
    found = kallsyms.find([function]).get(function, ()) if function else ("",)
    if not found and code in (errno.ENOENT, errno.EINVAL, errno.ESRCH):
        return absent(function)
    if offset and code in (errno.ENOENT, errno.EINVAL, errno.EILSEQ):
        if not function:
            return "no instruction of the kernel's begins there, or no probe may be there"
        return f"offset {offset} is not the start of an instruction of it"
    if code == errno.EADDRNOTAVAIL or (len(found) > 1 and code in (errno.EINVAL, errno.ESRCH)):
        return f"{len(found)} functions have that name, and the kernel won't choose"
    if code in (errno.EINVAL, errno.EBUSY, errno.EOPNOTSUPP, errno.ENOENT, errno.ESRCH):
        return f"it can't be probed: {kallsyms.notrace(function) or _NOT_ALLOWED}"
    return ""


_NOT_ALLOWED = "the kernel doesn't allow probes in it"
