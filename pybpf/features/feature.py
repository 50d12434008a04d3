"""One thing that a kernel can do, or can't, and why."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import NamedTuple

from pybpf.errors import SyscallError, UnsupportedFeature
from pybpf.sys import Fd, command
from pybpf.sys.memlock import with_memlock
from pybpf.uapi import bpf

__all__ = ["Feature", "answer", "answered", "program_feature", "require", "trial"]


class Feature(NamedTuple):
    """`since` is the first Linux that has it; `why` says why it isn't here, with the cure, else is empty.

    When it isn't `known`, this process may not find out, and `why` says what it lacks. `value` is what there
    is to say of it where it is there, such as a number.
    """

    name: str
    since: str
    why: str = ""
    known: bool = True
    value: str = ""

    def __bool__(self) -> bool:
        return not self.why

    @property
    def state(self) -> bool | None:
        """Whether it works here; None when that isn't known."""
        return bool(self) if self.known else None


def require(feature: Feature) -> None:
    """Raise UnsupportedFeature if it is missing."""
    if not feature:
        raise UnsupportedFeature(feature.name, feature.since, feature.why)


def answer(name: str, since: str, try_it: Callable[[], str | None]) -> Feature:
    """The feature that `try_it` finds there, or why it isn't: the reason that it returns, or SyscallError.

    What is refused to this process, for want of a capability, is not known.
    """
    try:
        return Feature(name, since, try_it() or "")
    except SyscallError as error:
        return Feature(name, since, error.why or str(error), not error.lacking)


def answered(probe: Callable[[], Feature]) -> Feature:
    """What a function of this package says, or, where it raises SyscallError, why it can't."""
    try:
        return probe()
    except SyscallError as error:
        return Feature(probe.__name__.replace("_", " "), "", error.why or str(error), not error.lacking)


def trial(code: bytes, **fields: int | bytes | bytearray) -> Fd:
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
        return Feature(name, since, "this kernel's verifier doesn't know it")
    return Feature(name, since)
