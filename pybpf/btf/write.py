"""Writing BTF: strings and records into bytes. `Builder` and `extract` stand on it."""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from pybpf.btf.format import KINDS, MAGIC, SHAPES
from pybpf.errors import BtfError

if TYPE_CHECKING:
    from pybpf.btf.types import Type

__all__ = ["Writer", "copy", "rebuild"]

# The kernel takes more since 7.1, and nothing that we build needs it.
_MAX_VLEN = 0xFFFF


class Writer:
    """Collects records; `len(writer)` is the id that the next one gets."""

    def __init__(self) -> None:
        self._words = array("I")
        self._strings = {"": 0}
        self._strings_size = 1
        self._count = 0

    def __len__(self) -> int:
        return self._count + 1

    def string(self, text: str) -> int:
        """The offset of `text` in the string section; each text is stored once."""
        at = self._strings.get(text)
        if at is None:
            raw = text.encode("utf-8", "surrogateescape")
            if 0 in raw:
                raise BtfError(f"{text!r} has a NUL in it: BTF can't hold it")
            at = self._strings[text] = self._strings_size
            self._strings_size += len(raw) + 1
        return at

    def record(
        self, kind: str, name: str, third: int, words: Iterable[int] = (), vlen: int = 0, flag: bool = False
    ) -> int:
        """Add a type: its third word (size or type id) and the words after it. Returns its id."""
        if vlen > _MAX_VLEN:
            raise BtfError(f"{kind} {name!r} has {vlen} entries: BTF holds {_MAX_VLEN}")
        info = flag << 31 | KINDS.index(kind) << 24 | vlen
        self._words.extend((self.string(name), info, third, *words))
        self._count += 1
        return self._count

    def finish(self, byte_order: str = sys.byteorder) -> bytes:
        """The BTF of all that was added, with header, in that byte order."""
        words = array("I", self._words)
        if byte_order != sys.byteorder:
            words.byteswap()
        types = words.tobytes()
        strings = b"".join(text.encode("utf-8", "surrogateescape") + b"\0" for text in self._strings)
        order = "<" if byte_order == "little" else ">"
        header = struct.pack(order + "HBBIIIII", MAGIC, 1, 0, 24, 0, len(types), len(types), len(strings))
        return header + types + strings


def copy(
    type: Type, writer: Writer, new_id: Callable[[int], int], keep: Callable[[int], bool] = lambda index: True
) -> int:
    """Add `type` to `writer`, the ids in it passed through `new_id`, and of its entries those that `keep`."""
    if type.kind not in SHAPES:
        raise BtfError(f"type #{type.id} is of {type.kind}, which is not known here and can't be copied")
    third, once, each = SHAPES[type.kind]
    record = type.record
    string = type.btf.string

    def translate(roles: str, words: Iterable[int]) -> list[int]:
        return [
            new_id(word) if role == "t" else writer.string(string(word)) if role == "n" else word
            for role, word in zip(roles, words)
        ]

    [head] = translate(third, record[2:3])
    at = 3 + len(once)
    words = translate(once, record[3:at])
    vlen = kept = type.info & 0xFFFFFF
    if each:
        kept = 0
        for index in range(vlen):
            if keep(index):
                words += translate(each, record[at : at + len(each)])
                kept += 1
            at += len(each)
    return writer.record(type.kind, type.name, head, words, kept, type.flag)


def rebuild(btf: Iterable[Type]) -> Writer:
    """A writer that holds all types of a BTF under the ids that they have."""
    writer = Writer()
    for type in btf:
        copy(type, writer, lambda id: id)
    return writer
