"""The BPF file system, whose files keep objects of the kernel after their process's end (4.4)."""

from __future__ import annotations

import errno
import os

from pybpf.errors import SyscallError
from pybpf.sys.command import command
from pybpf.sys.mounts import mount_of
from pybpf.uapi import bpf

__all__ = ["folder", "pin"]

_WHERE = "/sys/fs/bpf"


def pin(fd: int, path: str) -> None:
    """Make the file `path`, which keeps an object until it is unlinked.

    Raises SyscallError, whose `.why` tells of a folder that isn't there, is no bpffs, or has that file.
    """
    try:
        command(bpf.BPF_OBJ_PIN, pathname=os.fsencode(path) + b"\0", bpf_fd=fd)
    except SyscallError as error:
        raise SyscallError(
            error.call, error.errno or 0, f"{path}: {_why(path, error)}".rstrip(": ")
        ) from None


def folder(path: str) -> None:
    """Make a folder to pin in. Raises SyscallError as `pin` does."""
    try:
        os.mkdir(path, 0o700)
    except OSError as error:
        failed = SyscallError("mkdir", error.errno or 0)
        raise SyscallError("mkdir", error.errno or 0, f"{path}: {_why(path, failed)}".rstrip(": ")) from None


def _why(path: str, error: SyscallError) -> str:
    """What a refusal means here (bpf_obj_do_pin, kernel/bpf/inode.c)."""
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        return f"there is no folder {folder}"
    if error.errno == errno.EEXIST:
        return "there is such a file already"
    if mount_of(folder).type != "bpf":
        return f"{folder} is on no BPF file system: mount -t bpf bpf {_WHERE}, and pin in there"
    if error.errno == errno.EPERM and "." in os.path.basename(path):
        return "a name with a dot can't be pinned"
    return error.why
