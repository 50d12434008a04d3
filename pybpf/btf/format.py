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

__all__ = ["KINDS", "MAGIC", "SHAPES", "Header", "Steps", "kind_name", "native_words"]

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


class Header:
    """Where the sections lie, as (start, end) in bytes; `order` is `little` or `big`."""

    __slots__ = ("layout", "order", "strings", "swapped", "types")

    def __init__(self, data: bytes, size: int) -> None:
        """Read it from the first bytes of a blob of `size`; raises `BtfError` when it is not sound."""
        if len(data) < 24:
            raise BtfError(f"no BTF: {len(data)} bytes are too few for its header of 24")
        magic = int.from_bytes(data[:2], "little")
        if magic not in (MAGIC, 0x9FEB):
            raise BtfError(f"no BTF: it begins with {data[:2].hex()}, not with the magic 9feb or eb9f")
        self.order = "little" if magic == MAGIC else "big"
        self.swapped = self.order != sys.byteorder
        prefix = "<" if magic == MAGIC else ">"
        _, version, _, length, *places = struct.unpack_from(prefix + "HBBIIIII", data)
        if version != 1:
            raise BtfError(f"BTF of version {version}, where only 1 is known", 2)
        if length < 24:
            raise BtfError(f"the BTF header says it is {length} bytes long, less than its 24", 4)
        # Since Linux 7.1 a third section may say how long each kind's records are.
        places += struct.unpack_from(prefix + "II", data, 24) if length >= 32 <= len(data) else (0, 0)
        ends: list[tuple[int, int]] = []
        for name, at in (("type", 0), ("string", 2), ("layout", 4)):
            start, end = length + places[at], length + places[at] + places[at + 1]
            if end > size:
                message = f"the {name} section ends at byte {end}, past the {size} that are there"
                raise BtfError(message, 8 + 4 * at)
            ends.append((start, end))
        self.types, self.strings, self.layout = ends
        if (self.types[1] - self.types[0]) & 3:
            raise BtfError("the type section is not made of whole words of 4 bytes", 12)


def native_words(data: bytes, swapped: bool) -> array[int]:
    """`data` as 32-bit words in this machine's order."""
    words = array("I", data)
    if swapped:
        words.byteswap()
    return words


def kind_name(info: int) -> str:
    """The kind in a type's second word; `kind20` for one that is not known here."""
    number = info >> 24 & 0x7F
    return KINDS[number] if number < len(KINDS) else f"kind{number}"


class Steps(dict[int, int]):
    """From a type's second word (`info`) to the words its record takes; knows a new one by computing it."""

    def __init__(self, layout: bytes = b"") -> None:
        """`layout` is the section of that name: 4 bytes a kind, in which the first two are lengths."""
        self._once = [len(SHAPES[kind][1]) if kind in SHAPES else 0 for kind in KINDS]
        self._each = [len(SHAPES[kind][2]) if kind in SHAPES else 0 for kind in KINDS]
        for at in range(4 * len(KINDS), len(layout) - 3, 4):
            self._once.append(layout[at] // 4)
            self._each.append(layout[at + 1] // 4)

    def __missing__(self, info: int) -> int:
        kind = info >> 24 & 0x7F
        if not 0 < kind < len(self._once):
            raise BtfError(f"a kind {kind}, which is not known here,")
        self[info] = step = 3 + self._once[kind] + (info & 0xFFFFFF) * self._each[kind]
        return step
