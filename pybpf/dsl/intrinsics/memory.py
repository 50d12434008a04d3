"""Values that lie in the program's own memory, for helpers that read it or write to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pybpf.codegen.ir import Op
from pybpf.dsl.maybe import Maybe
from pybpf.dsl.memory import Memory as Place
from pybpf.dsl.places import ArrayPlace, RecordPlace, place_of
from pybpf.dsl.records import AnyRecord
from pybpf.dsl.text import Bytes

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["Memory", "constant", "memory", "place_in"]


class Memory(NamedTuple):
    """Where a value lies, and how many bytes of it there are."""

    address: Op
    size: int


def memory(cx: Context, value: Any) -> Memory | None:
    """The memory that a value lies in; None when it has none. A record that was made is put on the stack."""
    if isinstance(value, Maybe):
        raise cx.error(f"this is {value.describe()}: check it first, as in `if not ...: return`")
    if isinstance(value, (AnyRecord, ArrayPlace)):
        return Memory(place_of(cx, value.layout, value, "record").address(cx), value.layout.size)
    if isinstance(value, Bytes):
        return Memory(value.address(cx), value.size)
    if isinstance(value, (str, bytes)):
        return constant(cx, value.encode() if isinstance(value, str) else value)
    return None


def place_in(value: Any) -> Place | None:
    """Where a record, an array or bytes lie, when they lie somewhere already."""
    return value.place if isinstance(value, (RecordPlace, ArrayPlace, Bytes)) else None


def constant(cx: Context, data: bytes) -> Memory:
    """Bytes that are known at build time, put on the stack by the widest stores."""
    slot = cx.build.slot(len(data), "text")
    at = 0
    while at < len(data):
        size = next(size for size in (8, 4, 2, 1) if at + size <= len(data))
        cx.build.store(slot, at, size, cx.build.const(int.from_bytes(data[at : at + size], "little")))
        at += size
    return Memory(slot, len(data))
