"""Keys and values by their layouts: an int, bytes for text, a flat tuple of leaves for a struct."""

from __future__ import annotations

import struct
from typing import Any, Union

from pybpf.errors import UsageError
from pybpf.spec import CString, Flat, Layout, Struct

__all__ = ["Value", "decode", "encode", "record"]

Value = Union[int, bytes, tuple[Any, ...]]


def _leaves(layout: Layout) -> list[Layout]:
    return [field.layout for field in layout.leaves()] if isinstance(layout, Struct) else [layout]


def _plain(layout: Layout, value: int | bytes) -> int | bytes:
    return value.partition(b"\0")[0] if isinstance(layout, CString) and isinstance(value, bytes) else value


def decode(layout: Layout | None, data: bytes) -> Value:
    """`data` as a Python value; bytes as they are when the layout isn't known. Short data ends in zeros."""
    if layout is None:
        return data
    numbers = Flat(layout).unpack(data[: layout.size].ljust(layout.size, b"\0"))
    values = tuple(_plain(leaf, number) for leaf, number in zip(_leaves(layout), numbers))
    return values if isinstance(layout, Struct) else values[0]


def encode(layout: Layout | None, value: Value, size: int) -> bytes:
    """The `size` bytes of a Python value. Raises `UsageError` for one that doesn't fit the layout."""
    if isinstance(value, bytes) and not isinstance(layout, CString):
        data = value
    elif layout is None:
        raise UsageError(f"{value!r} needs a layout; give the {size} bytes")
    else:
        try:
            data = Flat(layout).pack(value if isinstance(value, tuple) else (value,))
        except struct.error as error:
            raise UsageError(f"{value!r} is no {layout}: {error}") from None
    if len(data) != size:
        raise UsageError(f"size {len(data)}, expected {size}")
    return data


def record(layout: Layout, data: bytes) -> dict[str, int | bytes]:
    """A struct's leaves by their dotted names."""
    if not isinstance(layout, Struct):
        raise UsageError(f"{layout} is no struct")
    values = decode(layout, data)
    assert isinstance(values, tuple)
    return dict(zip((field.name for field in layout.leaves()), values))
