"""kprobe and kretprobe: a program at a function's beginning or return, by perf_event_open(2) (4.17)."""

from __future__ import annotations

from pybpf import features
from pybpf.errors import SyscallError
from pybpf.link import event
from pybpf.link.functions import point, refused
from pybpf.link.link import Link
from pybpf.sys import perf

__all__ = ["attach"]


def attach(program: int, symbol: str, *, retprobe: bool = False, cookie: int = 0) -> Link:
    """Run the program (its descriptor) when the kernel function `symbol` begins, or when it returns.

    `symbol` may also be a place in it, `vfs_read+0x10`, where an instruction begins, or an address in hex.
    `cookie`: see `event.attach`. Raises UnsupportedFeature (no kprobes in this kernel), LoadError (`.name` is
    the symbol: not there, not traceable, ambiguous), SyscallError.
    """
    features.require(features.kprobe())
    function, offset = point(symbol)

    def why(error: SyscallError) -> str:
        return refused(symbol, error.errno or 0)

    return event.attach(
        "kretprobe" if retprobe else "kprobe",
        symbol,
        program,
        why,
        cookie=cookie,
        type=perf.pmu_type("kprobe"),
        config=retprobe << perf.pmu_bit("kprobe", "retprobe"),
        config1=function.encode() + b"\0" if function else b"",
        config2=offset,
    )
