"""What is mounted where."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from pybpf.sys.files import read_text

__all__ = ["Mount", "kernel_type", "known_types", "mount_of", "mounts"]

# Types that another file system's functions serve.
_SERVED = {"ext2": "ext4", "ext3": "ext4", "fuseblk": "fuse", "nfs4": "nfs", "virtiofs": "fuse"}


class Mount(NamedTuple):
    """A mounted file system: where, and its type as mount(8) has it, such as `ext4` or `fuse.sshfs`."""

    point: str
    type: str


def mounts() -> list[Mount]:
    """All that this process sees, in the order in which they were mounted (proc_pid_mountinfo(5))."""
    lines = (line.split(" ") for line in read_text("/proc/self/mountinfo").splitlines())
    return [Mount(_plain(words[4]), words[words.index("-") + 1]) for words in lines]


def mount_of(path: str) -> Mount:
    """The one that a path lies on. Raises OSError when there is nothing of that name."""
    real = os.path.realpath(path)
    os.stat(real)
    around = [mount for mount in mounts() if f"{real}/".startswith(f"{mount.point.rstrip('/')}/")]
    # Of those at the same place, the last lies on top.
    return max(reversed(around), key=lambda mount: len(mount.point))


def kernel_type(type: str) -> str:
    """The file system whose functions in the kernel serve a type of mounts.

    What follows a dot (`fuse.sshfs`) says who serves it in user space.
    """
    name = type.partition(".")[0]
    return _SERVED.get(name, name)


def known_types() -> set[str]:
    """The types of file systems that the kernel and its loaded modules have (proc_filesystems(5))."""
    return {line.split()[-1] for line in read_text("/proc/filesystems").splitlines()}


def _plain(text: str) -> str:
    """White space and backslashes are written in octal."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
