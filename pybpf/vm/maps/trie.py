"""Longest prefix match (kernel/bpf/lpm_trie.c)."""

from __future__ import annotations

import errno

from pybpf.uapi.bpf import BPF_EXIST
from pybpf.vm.maps.base import E2BIG, EINVAL
from pybpf.vm.maps.hash import HashMap
from pybpf.vm.memory import Region

__all__ = ["LpmTrie"]


class LpmTrie(HashMap):
    """A key is a u32, the number of leading bits that count, and then the bits, most significant first."""

    def _prefix(self, key: bytes, bits: int) -> bytes | None:
        """The element's key that stands for the first `bits` of `key`; None when there are fewer."""
        wide = (len(key) - 4) * 8
        if bits > wide:
            return None
        data = int.from_bytes(key[4:], "big") >> wide - bits << wide - bits
        return bits.to_bytes(4, "little") + data.to_bytes(wide // 8, "big")

    def cells(self, key: bytes) -> list[Region]:
        length = min(int.from_bytes(key[:4], "little"), (len(key) - 4) * 8)
        for bits in range(length, -1, -1):
            prefix = self._prefix(key, bits)
            if prefix in self.elements:
                return self.elements[prefix]
        return []

    def put(self, key: bytes, value: bytes, flags: int = 0) -> int:
        prefix = self._prefix(key, int.from_bytes(key[:4], "little"))
        if prefix is None or flags > BPF_EXIST:
            return -EINVAL
        error = super().put(prefix, value, flags)
        # A full trie says ENOSPC where a hash says E2BIG.
        return -errno.ENOSPC if error == -E2BIG else error

    def remove(self, key: bytes) -> int:
        prefix = self._prefix(key, int.from_bytes(key[:4], "little"))
        return -EINVAL if prefix is None else super().remove(prefix)
