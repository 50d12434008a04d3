"""fentry, fexit and fmod_ret: a program at a function's beginning or return, by trampolines (5.5; 5.7)."""

from __future__ import annotations

import errno

from pybpf.errors import LoadError, SyscallError
from pybpf.link.link import Link
from pybpf.link.raw_tracepoint import open_link
from pybpf.sys import kallsyms
from pybpf.uapi import bpf

__all__ = ["attach", "attach_exit", "attach_modify"]

# ENOTSUPP of include/linux/errno.h, which is no error number of user space, but gets there.
_ENOTSUPP = 524


def attach(program: int, symbol: str, *, cookie: int = 0) -> Link:
    """Run the program (its descriptor), which was loaded for the function `symbol`, when that begins.

    `cookie`: what it gets by get_attach_cookie() (5.19). Raises UnsupportedFeature (a cookie), LoadError
    (`.name` is the symbol: not traceable) and SyscallError.
    """
    return _attach("fentry", bpf.BPF_TRACE_FENTRY, program, symbol, cookie)


def attach_exit(program: int, symbol: str, *, cookie: int = 0) -> Link:
    """The same when that returns."""
    return _attach("fexit", bpf.BPF_TRACE_FEXIT, program, symbol, cookie)


def attach_modify(program: int, symbol: str, *, cookie: int = 0) -> Link:
    """The same when it begins, for a program whose result, if it isn't 0, is returned in its stead."""
    return _attach("fmod_ret", bpf.BPF_MODIFY_RETURN, program, symbol, cookie)


def _attach(kind: str, attach_type: int, program: int, symbol: str, cookie: int) -> Link:
    try:
        return open_link(kind, program, symbol, cookie=cookie, attach_type=attach_type)
    except SyscallError as error:
        why = _why(symbol, error.errno or 0)
        if why:
            raise LoadError(f"{kind} {symbol}: {why}", symbol) from None
        raise


def _why(symbol: str, code: int) -> str:
    """What a failure means here (kernel/bpf/trampoline.c, kernel/trace/ftrace.c)."""
    if code == _ENOTSUPP:
        return "this kernel has no trampolines for this architecture: kprobe works there"
    if code == errno.EBUSY:
        return "another program has the function (live patching, or ftrace with its own trampoline)"
    if code == errno.E2BIG:
        return "as many programs as the kernel allows (38) are on this function already"
    if code in (errno.EINVAL, errno.ENODEV, errno.EFAULT):
        return f"it can't be traced: {kallsyms.notrace(symbol) or 'the kernel does not allow it'}"
    return ""
