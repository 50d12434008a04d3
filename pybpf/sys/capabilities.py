"""Capabilities of this process: what it can do without, and giving them up (capabilities(7))."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterable, Iterator

from pybpf.sys import syscall
from pybpf.uapi import capability

__all__ = ["drop", "least", "only"]

_PR_SET_NO_NEW_PRIVS = 38


def _bits(names: Iterable[str]) -> int:
    return sum({1 << getattr(capability, name) for name in names})


@contextlib.contextmanager
def only(names: Iterable[str]) -> Iterator[None]:
    """For a while, none but these capabilities, of those that are there."""
    effective, permitted, inheritable = syscall.capget()
    syscall.capset(effective & _bits(names), permitted, inheritable)
    try:
        yield
    finally:
        syscall.capset(effective, permitted, inheritable)


def least(trial: Callable[[], object], *choices: str) -> frozenset[str]:
    """What `trial` needs so that it is not refused: nothing, or the first of `choices` that will do.

    Nothing too when none will do: then it is no matter of these. Raises what `trial` raises otherwise.
    """
    for names in ((), *((each,) for each in choices)):
        try:
            with only(names):
                trial()
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EACCES):
                raise
        else:
            return frozenset(names)
    return frozenset()


def drop(keep: Iterable[str] = ()) -> frozenset[str]:
    """Give up all capabilities of this thread but `keep`, for good; returns those that are left.

    Whatever it executes from now on gets no more either, set-user-ID or not (PR_SET_NO_NEW_PRIVS, 3.5).
    Raises SyscallError, with nothing changed, where a seccomp filter forbids it.
    """
    wanted = frozenset(keep)
    syscall.prctl(_PR_SET_NO_NEW_PRIVS, 1)
    left = syscall.capget()[1] & _bits(wanted)
    syscall.capset(left, left, 0)
    return frozenset(name for name in wanted if left & _bits([name]))
