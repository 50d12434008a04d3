"""One thing that a kernel can do, or can't, and why."""

from __future__ import annotations

import errno
from typing import NamedTuple

from pybpf.errors import SyscallError, UnsupportedFeature
from pybpf.sys import Fd, command
from pybpf.sys.memlock import with_memlock
from pybpf.uapi import bpf

__all__ = ["Feature", "program_feature", "require", "trial"]


class Feature(NamedTuple):
    """`since` is the first Linux that has it; `why` says why it isn't here, with the cure, else is empty."""

    name: str
    since: str
    why: str = ""

    def __bool__(self) -> bool:
        return not self.why


def require(feature: Feature) -> None:
    """Raise UnsupportedFeature if it is missing."""
    if not feature:
        raise UnsupportedFeature(feature.name, feature.since, feature.why)


def trial(code: bytes, **fields: int) -> Fd:
    """Load a small program; SyscallError when the verifier, or the kernel as such, won't have it.

    It is a kprobe, if `fields` of BPF_PROG_LOAD don't say otherwise.
    """
    fields = {"prog_type": bpf.BPF_PROG_TYPE_KPROBE, **fields}
    number = with_memlock(
        lambda: command(bpf.BPF_PROG_LOAD, insns=code, insn_cnt=len(code) // 8, license=b"GPL\0", **fields)
    )
    return Fd(number, "trial program")


def program_feature(name: str, since: str, code: bytes) -> Feature:
    """Does the verifier take a program that needs it?

    Raises SyscallError when this process may not load programs at all.
    """
    try:
        trial(code).close()
    except SyscallError as error:
        if error.errno == errno.EPERM:
            raise
        return Feature(name, since, f"the verifier doesn't know it ({error})")
    return Feature(name, since)
