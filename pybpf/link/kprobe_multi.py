"""kprobe.multi and kprobe.session: a program at the beginning or return of functions, by one bpf_link."""

from __future__ import annotations

import errno
import struct

from pybpf import features
from pybpf.errors import LoadError, SyscallError
from pybpf.link.functions import absent, refused, there
from pybpf.link.link import Link
from pybpf.sys import Fd, command, kallsyms
from pybpf.uapi import bpf

__all__ = ["attach", "attach_session"]

_HIDDEN = "its address is hidden (sysctl kernel.kptr_restrict)"


def attach(program: int, symbol: str, *, retprobe: bool = False, cookie: int = 0) -> Link:
    """Run the program (its descriptor) when the kernel function `symbol` begins, or when it returns (5.18).

    It must be loaded for BPF_TRACE_KPROBE_MULTI. `cookie`: what it gets by get_attach_cookie(). Raises
    UnsupportedFeature, LoadError (`.name` is the symbol: not there, not traceable, ambiguous), SyscallError.
    """
    features.require(features.kprobe_multi())
    kind = "kretprobe.multi" if retprobe else "kprobe.multi"
    flags = bpf.BPF_F_KPROBE_MULTI_RETURN if retprobe else 0
    return _attach(kind, program, symbol, cookie, bpf.BPF_TRACE_KPROBE_MULTI, flags)


def attach_session(program: int, symbol: str, *, cookie: int = 0) -> Link:
    """The same at both ends: `bpf_session_is_return()` tells the program at which it is (6.10).

    It must be loaded for BPF_TRACE_KPROBE_SESSION.
    """
    features.require(features.kprobe_session())
    return _attach("kprobe.session", program, symbol, cookie, bpf.BPF_TRACE_KPROBE_SESSION, 0)


def _attach(kind: str, program: int, symbol: str, cookie: int, attach_type: int, flags: int) -> Link:
    what = f"{kind} {symbol}"
    # By address, for functions of modules are not known by name before 6.2.
    addresses = kallsyms.addresses(symbol)
    if len(addresses) != 1:
        if addresses:
            why = refused(symbol, errno.EADDRNOTAVAIL)
        else:
            why = _HIDDEN if there([symbol]) else absent(symbol)
        raise LoadError(f"{what}: {why}", symbol)
    cookies = {"kprobe_cookies": struct.pack("=Q", cookie)} if cookie else {}
    try:
        number = command(
            bpf.BPF_LINK_CREATE,
            prog_fd=program,
            attach_type=attach_type,
            kprobe_flags=flags,
            kprobe_cnt=1,
            kprobe_addrs=struct.pack("=Q", addresses[0]),
            **cookies,
        )
    except SyscallError as error:
        why = refused(symbol, error.errno or 0)
        if why:
            raise LoadError(f"{what}: {why}", symbol) from None
        raise error.about(what) from None
    return Link(kind, symbol, [Fd(number, what)], cookie=cookie)
