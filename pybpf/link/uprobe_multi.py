"""uprobe.multi: a program at many places of a program or library, by one bpf_link (6.6)."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence

from pybpf import features
from pybpf.errors import LoadError, SyscallError
from pybpf.link import uprobe
from pybpf.link.link import Link
from pybpf.sys import Fd, command
from pybpf.uapi import bpf

__all__ = ["attach", "attach_at"]


def attach(program: int, symbol: str, *, retprobe: bool = False, pid: int = -1, cookie: int = 0) -> Link:
    """Run the program (its descriptor) when a function of a file begins, or when it returns.

    It must be loaded for BPF_TRACE_UPROBE_MULTI. Parameters and errors are those of uprobe.attach.
    """
    kind = "uretprobe.multi" if retprobe else "uprobe.multi"
    path, offset = uprobe.located(kind, symbol)
    return attach_at(kind, symbol, program, path, [(offset, 0)], retprobe=retprobe, pid=pid, cookie=cookie)


def attach_at(
    kind: str,
    symbol: str,
    program: int,
    path: str,
    places: Sequence[tuple[int, int]],
    *,
    retprobe: bool = False,
    pid: int = -1,
    cookie: int = 0,
) -> Link:
    """The same at offsets in a file, each with that of a semaphore, or 0."""
    features.require(features.uprobe_multi())
    what = f"{kind} {symbol}"
    words = struct.Struct(f"={len(places)}Q")
    offsets, semaphores = zip(*places)
    optional = {}
    if any(semaphores):
        optional["uprobe_ref_ctr_offsets"] = words.pack(*semaphores)
    if cookie:
        optional["uprobe_cookies"] = words.pack(*[cookie] * len(places))
    try:
        number = command(
            bpf.BPF_LINK_CREATE,
            prog_fd=program,
            attach_type=bpf.BPF_TRACE_UPROBE_MULTI,
            uprobe_path=os.fsencode(path) + b"\0",
            uprobe_offsets=words.pack(*offsets),
            uprobe_cnt=len(places),
            uprobe_flags=bpf.BPF_F_UPROBE_MULTI_RETURN * retprobe,
            uprobe_pid=max(pid, 0),
            **optional,
        )
    except SyscallError as error:
        reason = uprobe.why(path, error)
        if reason:
            raise LoadError(f"{what}: {reason}", symbol) from None
        raise error.about(what) from None
    return Link(kind, symbol, [Fd(number, what)], cookie=cookie)
