"""uprobe and uretprobe: a program at a function of a program or library, by perf_event_open(2) (4.17)."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from functools import partial

from pybpf import features
from pybpf.elf.symbols import symbols_of
from pybpf.errors import LoadError, SyscallError, UnsupportedFeature, UsageError, near
from pybpf.link import event
from pybpf.link.link import Link
from pybpf.sys import libraries, perf

__all__ = ["absent", "attach", "attach_at", "located", "there", "why"]


def there(names: Iterable[str]) -> set[str]:
    """Which of these (`file:symbol`) there are."""
    return {name for name in names if not _found(name)[2]}


def absent(name: str) -> str:
    """Why there is no such function, and what to do."""
    return _found(name)[2]


def _found(name: str) -> tuple[str, int, str]:
    """The path of a file and the offset in it, or why there are none."""
    file, _, symbol = name.rpartition(":")
    path = libraries.find(file)
    if not path:
        return "", 0, libraries.missing(file)
    if symbol.startswith("0x"):
        return path, int(symbol, 16), ""
    symbol, _, distance = symbol.partition("+")
    try:
        offsets = symbols_of(os.path.realpath(path)).offsets
    except UsageError as error:
        return "", 0, str(error)
    except OSError as error:
        return "", 0, f"{path} can't be read: {error.strerror}"
    if symbol not in offsets:
        return "", 0, f"{path} has no function {symbol!r}{near(symbol, offsets)}"
    return path, offsets[symbol] + int(distance or "0", 0), ""


def why(path: str, error: SyscallError) -> str:
    """What a refusal means here (kernel/trace/trace_uprobe.c, bpf_trace.c, kernel/events/uprobes.c)."""
    if error.errno == errno.EINVAL:
        return f"the kernel doesn't take this place in {path}: is it a file that is run?"
    if error.errno == errno.EIO:
        return f"{path} lies on a file system that has no pages to put a breakpoint in"
    if error.errno in (errno.EOPNOTSUPP, 524):
        return "there is an instruction at this place that can't be probed"
    if error.errno == errno.ESRCH:
        return "the process is gone"
    return ""


def attach(program: int, symbol: str, *, retprobe: bool = False, pid: int = -1, cookie: int = 0) -> Link:
    """Run the program (its descriptor) when a function of a file begins, or when it returns.

    `symbol` is `file:symbol`, `file:symbol+0x4` or `file:0x1000`; a file without a `/` is a library by its
    name, as ldconfig knows it, or else a program in PATH. `pid`: in one process only; -1: in all that run or
    will run the file. `cookie`: see `event.attach`. Raises UnsupportedFeature, LoadError (`.name` is the
    symbol: no such file or function), SyscallError.
    """
    kind = "uretprobe" if retprobe else "uprobe"
    path, offset = located(kind, symbol)
    return attach_at(kind, symbol, program, path, offset, retprobe=retprobe, pid=pid, cookie=cookie)


def located(kind: str, symbol: str) -> tuple[str, int]:
    """The path of the file and the offset in it. Raises LoadError (`.name` is the symbol)."""
    path, offset, reason = _found(symbol)
    if reason:
        raise LoadError(f"{kind} {symbol}: {reason}", symbol)
    return path, offset


def attach_at(
    kind: str,
    symbol: str,
    program: int,
    path: str,
    offset: int,
    *,
    semaphore: int = 0,
    retprobe: bool = False,
    pid: int = -1,
    cookie: int = 0,
) -> Link:
    """The same at an offset in a file. `semaphore`: that of a counter to be 1 more meanwhile (4.20)."""
    features.require(features.uprobe())
    counter = perf.pmu_bit("uprobe", "ref_ctr_offset")
    if semaphore and not counter:
        raise UnsupportedFeature("semaphores of USDT probes", "4.20", "run a newer kernel")
    return event.attach(
        kind,
        symbol,
        program,
        partial(why, path),
        on=None if pid < 0 else [-1],
        pid=pid,
        cookie=cookie,
        type=perf.pmu_type("uprobe"),
        config=retprobe << perf.pmu_bit("uprobe", "retprobe") | semaphore << counter,
        config1=os.fsencode(path) + b"\0",
        config2=offset,
    )
