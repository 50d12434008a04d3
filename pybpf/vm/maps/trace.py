"""Stack traces by number (kernel/bpf/stackmap.c)."""

from __future__ import annotations

import errno
import struct
import zlib
from collections.abc import Sequence

from pybpf.uapi.bpf import BPF_F_FAST_STACK_CMP, BPF_F_REUSE_STACKID, BPF_F_SKIP_FIELD_MASK, BPF_F_USER_STACK
from pybpf.vm.maps.hash import HashMap

__all__ = ["StackTrace"]


class StackTrace(HashMap):
    """A value is the return addresses, innermost first, 8 bytes each, filled up with zeros."""

    def identify(self, trace: Sequence[int], flags: int) -> int:
        """The number of a trace, which is put in if it is new; -EEXIST when its place is taken."""
        known = BPF_F_SKIP_FIELD_MASK | BPF_F_USER_STACK | BPF_F_FAST_STACK_CMP | BPF_F_REUSE_STACKID
        if flags & ~known:
            return -errno.EINVAL
        trace = trace[flags & BPF_F_SKIP_FIELD_MASK :][: self.spec.value_size // 8]
        if not trace:
            return -errno.EFAULT
        data = struct.pack(f"<{len(trace)}Q", *trace).ljust(self.spec.value_size, b"\0")
        number = zlib.crc32(data) % self.spec.max_entries
        key = number.to_bytes(4, "little")
        old = self.lookup(key)
        if old is not None and old != data and not flags & BPF_F_REUSE_STACKID:
            return -errno.EEXIST
        self.put(key, data)
        return number
