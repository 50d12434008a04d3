"""Tries that find the longest prefix that a key has in common with one of theirs: routes, networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybpf.dsl.maps.keyed import Keyed
from pybpf.dsl.method import method
from pybpf.errors import LoweringError
from pybpf.spec import Int, Struct
from pybpf.uapi import bpf

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["LpmTrie"]


class LpmTrie(Keyed):
    """`BPF_MAP_TYPE_LPM_TRIE` (Linux 4.11).

    The key is a record whose first member, a u32, is how many bits of the rest count: all of them to look
    something up. The most significant bit comes first, so addresses are in network byte order.
    """

    type = bpf.BPF_MAP_TYPE_LPM_TRIE

    def __init__(self, name: str, key: Any, value: Any, max_entries: int, flags: int = 0) -> None:
        super().__init__(name, key, value, max_entries, flags | bpf.BPF_F_NO_PREALLOC)
        first = self.key.fields[0].layout if isinstance(self.key, Struct) else None
        if not isinstance(first, Int) or first.signed or first.size != 4 or self.key.size == 4:
            raise LoweringError(
                f"the key of {name} is {self.key.name}: a trie's key is a Record of a u32, the length of the"
                " prefix in bits, and the data"
            )

    @method
    def for_each(self, cx: Context, body: Any, state: Any = None) -> Any:
        """The kernel has this for hash tables and arrays."""
        raise self.only(cx, "is a trie", "the kernel goes through hash tables and arrays only")
