"""The binary format: header, kinds, and how long a type's record is.

Every word of the type section is 32 bits wide in all kinds, so a section of the other byte order becomes
a native one by swapping words, and the rest of this package never thinks about byte order again.
Source: include/uapi/linux/btf.h and Documentation/bpf/btf.rst.
"""

from __future__ import annotations

import struct
import sys
from array import array

from pybpf.errors import BtfError

__all__ = ["KINDS", "MAGIC", "SHAPES", "Header", "Steps", "native_words"]

MAGIC = 0xEB9F

# By number. "void" is what type id 0 stands for; it has no record.
KINDS = (
    "void",
    "int",
    "ptr",
    "array",
    "struct",
    "union",
    "enum",
    "fwd",
    "typedef",
    "volatile",
    "const",
    "restrict",
    "func",
    "func_proto",
    "var",
    "datasec",
    "float",
    "decl_tag",
    "type_tag",
    "enum64",
)

# What the words of each kind's record mean, from the third on: the third itself, those that follow it once,
# and those of each of its `vlen` entries. n: a name, t: the id of a type, w: a number.
SHAPES = {
    "int": ("w", "w", ""),
    "ptr": ("t", "", ""),
    "array": ("w", "ttw", ""),
    "struct": ("w", "", "ntw"),
    "union": ("w", "", "ntw"),
    "enum": ("w", "", "nw"),
    "fwd": ("w", "", ""),
    "typedef": ("t", "", ""),
    "volatile": ("t", "", ""),
    "const": ("t", "", ""),
    "restrict": ("t", "", ""),
    "func": ("t", "", ""),
    "func_proto": ("t", "", "nt"),
    "var": ("t", "w", ""),
    "datasec": ("w", "", "tww"),
    "float": ("w", "", ""),
    "decl_tag": ("t", "w", ""),
    "type_tag": ("t", "", ""),
    "enum64": ("w", "", "nww"),
}
_FIXED = (0, *(3 + len(SHAPES[kind][1]) for kind in KINDS[1:]))
_EACH = (0, *(len(SHAPES[kind][2]) for kind in KINDS[1:]))

_HEADER = "HBBIIIII"


class Header:
    """Where the sections lie, as (start, end) in bytes; `order` is `little` or `big`."""

    __slots__ = ("order", "strings", "swapped", "types")

    def __init__(self, data: bytes, size: int) -> None:
        """Read it from the first 24 bytes of a blob of `size`; raises `BtfError` when it is not sound."""
        if len(data) < 24:
            raise BtfError(f"no BTF: {len(data)} bytes are too few for its header of 24")
        magic = int.from_bytes(data[:2], "little")
        if magic not in (MAGIC, 0x9FEB):
            raise BtfError(f"no BTF: it begins with {data[:2].hex()}, not with the magic 9feb or eb9f")
        self.order = "little" if magic == MAGIC else "big"
        self.swapped = self.order != sys.byteorder
        prefix = "<" if magic == MAGIC else ">"
        _, version, _, length, *sections = struct.unpack_from(prefix + _HEADER, data)
        if version != 1:
            raise BtfError(f"BTF of version {version}, where only 1 is known", 2)
        if length < 24:
            raise BtfError(f"the BTF header says it is {length} bytes long, less than its 24", 4)
        types, types_len, strings, strings_len = sections
        self.types: tuple[int, int] = (length + types, length + types + types_len)
        self.strings: tuple[int, int] = (length + strings, length + strings + strings_len)
        for name, (start, end), at in (("type", self.types, 8), ("string", self.strings, 16)):
            if end > size:
                raise BtfError(f"the {name} section ends at byte {end}, past the {size} that are there", at)
            if name == "type" and (start | end) & 3:
                raise BtfError("the type section is not made of whole words of 4 bytes", at)


def native_words(data: bytes, swapped: bool) -> array[int]:
    """`data` as 32-bit words in this machine's order."""
    words = array("I", data)
    if swapped:
        words.byteswap()
    return words


class Steps(dict[int, int]):
    """From a type's second word (`info`) to the words its record takes; knows a new one by computing it."""

    def __missing__(self, info: int) -> int:
        kind = info >> 24 & 0x1F
        if not 0 < kind < len(KINDS):
            raise BtfError(f"a type of kind {kind}, which is not known here")
        self[info] = step = _FIXED[kind] + (info & 0xFFFF) * _EACH[kind]
        return step
