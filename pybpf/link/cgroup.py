"""cgroup: a program that runs for what the processes of a control group do, and of those below it (5.7)."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable

from pybpf.errors import LoadError, SyscallError, near
from pybpf.link.link import Link
from pybpf.spec.cgroup import HOOKS
from pybpf.sys import Fd, cgroups, command
from pybpf.uapi import bpf

__all__ = ["absent", "attach", "there"]


def there(names: Iterable[str]) -> set[str]:
    """Which of these groups there are."""
    return set(filter(cgroups.find, names))


def absent(name: str) -> str:
    """Why there is no such group, and what to do."""
    top = cgroups.root()
    if not top:
        return "no control groups of version 2 are mounted: mount -t cgroup2 none /sys/fs/cgroup"
    parent, _, own = name.rstrip("/").removeprefix(top).rpartition("/")
    folder = cgroups.find(parent or "/")
    if not folder:
        return f"there is no control group {parent} in {top}"
    groups = (each.name for each in os.scandir(folder) if each.is_dir())
    return f"there is no such control group in {folder}{near(own, groups)}"


def attach(hook: str, program: int, symbol: str) -> Link:
    """Run the program (its descriptor) for a group, beside those that are there; `hook` is one of HOOKS.

    `symbol` is the group's path, or its name below the root: `/system.slice`. Raises LoadError (`.name` is
    the group: not there, or another program wants to be alone) and SyscallError.
    """
    what = f"cgroup/{hook} {symbol}"
    path = cgroups.find(symbol)
    if not path:
        raise LoadError(f"{what}: {absent(symbol)}", symbol)
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise LoadError(f"{what}: {path} can't be opened: {error.strerror}", symbol) from None
    with Fd(folder, path) as group:
        try:
            number = command(
                bpf.BPF_LINK_CREATE,
                prog_fd=program,
                target_fd=group.fileno(),
                attach_type=HOOKS[hook].attach_type,
            )
        except SyscallError as error:
            if error.errno == errno.EPERM and not error.why.startswith("CAP_"):
                # hierarchy_allows_attach, kernel/bpf/cgroup.c
                why = "a program is there, or on a group above, that lets no other beside it"
                raise LoadError(f"{what}: {why}", symbol) from None
            raise error.about(what) from None
    return Link(f"cgroup/{hook}", symbol, [Fd(number, what)])
