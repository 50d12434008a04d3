"""The BTF of what is loaded in this kernel: by its id, a program's, a map's."""

from __future__ import annotations

import contextlib

from pybpf.btf import Btf, kernel, parse
from pybpf.errors import BtfError, SyscallError
from pybpf.sys import Fd, command, object_info
from pybpf.uapi import bpf

__all__ = ["btf_by_id", "btf_of_map", "btf_of_program"]


def btf_by_id(number: int) -> Btf:
    """The BTF of that id (Linux 4.18); a module's is split on the kernel's. Raises SyscallError."""
    with Fd(command(bpf.BPF_BTF_GET_FD_BY_ID, start_id=number), f"BTF {number}") as fd:
        (size,) = object_info(fd.fileno(), "btf", "btf_size")
        data, name, of_kernel = bytearray(size), bytearray(64), 0
        object_info(fd.fileno(), "btf", btf=data, btf_size=size)
        # Before 5.11 it has no name, and none is of a module.
        with contextlib.suppress(SyscallError):
            fields = {"name": name, "name_len": len(name)}
            (of_kernel,) = object_info(fd.fileno(), "btf", "kernel_btf", **fields)
    text = name.rstrip(b"\0").decode()
    base = kernel() if of_kernel and text != "vmlinux" else None
    return parse(bytes(data), base, text or f"id {number}")


def btf_of_program(number: int) -> Btf:
    """The BTF that the program of that id was loaded with. Raises `BtfError` when there is none."""
    return _of("program", "prog", bpf.BPF_PROG_GET_FD_BY_ID, number)


def btf_of_map(number: int) -> Btf:
    """The BTF that the map of that id was made with. Raises `BtfError` when there is none."""
    return _of("map", "map", bpf.BPF_MAP_GET_FD_BY_ID, number)


def _of(what: str, kind: str, get: int, number: int) -> Btf:
    with Fd(command(get, start_id=number), f"{what} {number}") as fd:
        (found,) = object_info(fd.fileno(), kind, "btf_id")
    if not found:
        raise BtfError(f"the {what} {number} was made without BTF")
    return btf_by_id(found)
