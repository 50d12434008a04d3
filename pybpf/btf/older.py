"""BTF for kernels that do not know all of it: what is too new is replaced, and all ids stay.

What came after Linux 5.2: functions with a linkage (5.6), float (5.13), decl_tag (5.16), type_tag (5.17),
signed enums and enum64 (6.0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybpf.btf.graph import Btf
from pybpf.btf.write import Writer, copy

if TYPE_CHECKING:
    from pybpf.btf.types import Type

__all__ = ["for_older_kernels"]


def for_older_kernels(data: bytes) -> bytes:
    """The BTF in `data` with only what Linux 5.2 knows; the offsets of strings stay, too."""
    btf = Btf(data)
    writer = Writer()
    # Line info has offsets of strings: all of them go in first, in their order.
    for text in btf.strings():
        writer.string(text)
    for type in btf:
        _add(type, writer)
    return writer.finish(btf.byte_order)


def _add(type: Type, writer: Writer) -> None:
    if type.kind == "func":
        writer.record("func", type.name, type.target_id)
    elif type.kind == "enum" and type.flag:
        rows = ((writer.string(value.name), value.value & 0xFFFFFFFF) for value in type.values)
        words = [word for row in rows for word in row]
        writer.record("enum", type.name, type.size, words, len(type.values))
    elif type.kind in ("enum64", "decl_tag"):
        # A number; a tag, which nothing leads to, needs no more than its place.
        size = type.size or 1
        writer.record("int", type.name or "enum64", size, [int(type.signed) << 24 | size * 8])
    elif type.kind == "float":
        writer.record("struct", "", type.size)
    elif type.kind == "type_tag":
        writer.record("const", "", type.target_id)
    else:
        copy(type, writer, lambda id: id)
