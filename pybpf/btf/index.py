"""Where each type of a large BTF starts, kept in the cache: a walk over all of it is spared next time.

What is kept is the index of each type's first word, as `btf/SIZE-CRC.index`, by the size and CRC of the BTF.
"""

from __future__ import annotations

import zlib
from array import array

from pybpf import cache

__all__ = ["load", "save"]


def _name(data: bytes) -> str:
    return f"btf/{len(data)}-{zlib.crc32(data):08x}.index"


def load(data: bytes) -> array[int] | None:
    """The index of the BTF in `data`; None when there is none that is sound."""
    name = _name(data)
    content = cache.load(name, name.encode())
    if content is None or len(content) % 4:
        return None
    found = array("I")
    found.frombytes(content)
    return found


def save(data: bytes, starts: array[int]) -> None:
    """Keep the index of the BTF in `data`; a failure goes unsaid."""
    name = _name(data)
    cache.save(name, name.encode(), starts.tobytes())
