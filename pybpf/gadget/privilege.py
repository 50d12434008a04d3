"""What a program that has attached its probes still needs of the kernel; the rest is given up.

Events lie in mapped memory: to read them takes nothing. Nor does it to look up and update a map by its
descriptor; but up to Linux 5.18, where kernel.unprivileged_bpf_disabled is set, all of bpf(2) wants CAP_BPF
(__sys_bpf, kernel/bpf/syscall.c). It is found out by trying.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from pybpf.maps import Map
from pybpf.sys.capabilities import drop, least

__all__ = ["FOLLOWING", "STACKS", "give_up"]

# The mount namespaces of other processes, and what runtimes keep of their containers.
FOLLOWING = ("CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH")
# Of what other processes run: their mappings, their files; and the addresses in /proc/kallsyms.
STACKS = ("CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH", "CAP_SYSLOG")


def give_up(maps: Iterable[Map], keep: Iterable[str] = ()) -> frozenset[str]:
    """Give up every capability but `keep` and those that these maps still need; returns what is left.

    Raises SyscallError where even that is forbidden.
    """

    def look_up() -> None:
        for each in maps:
            each.info()

    def imports() -> None:
        for folder in filter(os.path.isdir, sys.path):
            os.listdir(folder)

    return drop(
        {
            *keep,
            *least(look_up, "CAP_BPF", "CAP_SYS_ADMIN"),
            # Root without it can't read an installation in somebody's home.
            *least(imports, "CAP_DAC_READ_SEARCH", "CAP_DAC_OVERRIDE"),
        }
    )
