"""iterator: a program that runs once for each object of a kind when it is read, as a file (5.8)."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable

from pybpf.errors import BpfError, LoadError, SyscallError, near
from pybpf.link.link import Link
from pybpf.sys import Fd, command
from pybpf.uapi import bpf

__all__ = ["Iterator", "absent", "attach", "there"]

# The kernel's BTF has a function of this name for each kind of object.
_PREFIX = "bpf_iter_"
_CHUNK = 1 << 16


class Iterator(Link):
    """An iterator: each `read()` goes through all objects. A pinned one is read by anyone, as by `cat`."""

    def read(self) -> bytes:
        """What the program wrote, by seq_write() and seq_printf(), for all objects as they are now.

        Raises SyscallError (E2BIG: it wrote more than 32 KiB for one object).
        """
        what = f"{self.kind} {self.symbol}"
        with Fd(command(bpf.BPF_ITER_CREATE, link_fd=self.fileno()), what) as file:
            parts: list[bytes] = []
            while True:
                try:
                    part = os.read(file.fileno(), _CHUNK)
                except BlockingIOError:  # a million objects that nothing was written of: there are more
                    continue
                except OSError as error:
                    why = ": it writes too much for one object" if error.errno == errno.E2BIG else ""
                    raise SyscallError("read", error.errno or 0, what + why) from None
                if not part:
                    return b"".join(parts)
                parts.append(part)


def _kinds() -> set[str]:
    """What this kernel has iterators of."""
    from pybpf import btf

    structs = (each.name for each in btf.kernel() if each.kind == "struct")
    return {name[len(_PREFIX) + 1 :] for name in structs if name.startswith(f"{_PREFIX}_")}


def there(names: Iterable[str]) -> set[str]:
    """Which of these kinds of objects (`task`, `bpf_map`) this kernel has iterators of."""
    from pybpf import btf

    try:
        kernel = btf.kernel()
    except BpfError:
        return set()
    return {name for name in names if next(kernel.functions(_PREFIX + name), None) is not None}


def absent(name: str) -> str:
    """Why there is no such iterator."""
    try:
        return f"this kernel has no iterator of that name{near(name, _kinds())}"
    except BpfError as error:
        return str(error)


def attach(program: int, symbol: str, *, map_fd: int = -1) -> Iterator:
    """Make the program (its descriptor), which was loaded for objects of the kind `symbol`, ready to be read.

    `map_fd`: the map whose elements `bpf_map_elem` goes through. Raises LoadError (a map is missing) and
    SyscallError.
    """
    what = f"iterator {symbol}"
    if symbol in ("bpf_map_elem", "bpf_sk_storage_map") and map_fd < 0:
        raise LoadError(f"{what}: it goes through the elements of a map, and none is given", symbol)
    fields = {}
    if map_fd >= 0:
        information = map_fd.to_bytes(16, "little")  # union bpf_iter_link_info
        fields = {"iter_info": information, "iter_info_len": len(information)}
    try:
        number = command(bpf.BPF_LINK_CREATE, prog_fd=program, attach_type=bpf.BPF_TRACE_ITER, **fields)
    except SyscallError as error:
        raise error.about(what) from None
    return Iterator("iterator", symbol, [Fd(number, what)])
