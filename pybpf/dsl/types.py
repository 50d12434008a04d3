"""The types that a probe author names, and how an annotation becomes a layout."""

from __future__ import annotations

import enum
from typing import Any

from pybpf.errors import LoweringError, near
from pybpf.spec import Array, Bits, CString, Int, Layout, Pointer
from pybpf.spec.layout import boolean

__all__ = [
    "Array",
    "Bits",
    "CString",
    "boolean",
    "i8",
    "i16",
    "i32",
    "i64",
    "layout_of",
    "u8",
    "u16",
    "u32",
    "u64",
]

u8, u16, u32, u64 = (Int(f"u{size * 8}", size) for size in (1, 2, 4, 8))
i8, i16, i32, i64 = (Int(f"i{size * 8}", size, signed=True) for size in (1, 2, 4, 8))


def layout_of(annotation: Any, names: dict[str, Any], what: str) -> Layout:
    """The layout that an annotation means; `names` are the module's, for annotations that are text.

    An annotation is a layout (`u32`, `CString[16]`, `Array[u64, 8]`), a record, an `enum.IntEnum` or
    `enum.IntFlag` (a u32), a list of one of these and a count (`[Op, 8]`), or the C declaration of a kernel
    pointer, as in `"struct file *"`.
    """
    from pybpf.dsl.record import Record

    if isinstance(annotation, str):
        if annotation.strip().endswith("*"):
            return Pointer(annotation.strip())
        try:
            annotation = eval(annotation, names)
        except Exception as error:
            hint = near(annotation, names)
            raise LoweringError(f"{what}: the annotation {annotation!r} is no type{hint}: {error}") from None
        return layout_of(annotation, names, what)
    if isinstance(annotation, Layout):
        return annotation
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return annotation.layout
    if isinstance(annotation, type) and issubclass(annotation, (enum.IntEnum, enum.IntFlag)):
        return Int(annotation.__name__, 4, names=annotation)
    if isinstance(annotation, list) and len(annotation) == 2:
        element, count = annotation
        if not isinstance(count, int) or count < 1:
            raise LoweringError(f"{what}: an array has a number of elements that is known, not {count!r}")
        return Array(layout_of(element, names, what), count)
    if annotation is bool:
        return boolean
    raise LoweringError(
        f"{what}: {annotation!r} is no type of a probe; use u8 to u64, i8 to i64, CString[n], Array[u8, n],"
        f' a Record, an IntEnum, or the C declaration of a kernel pointer, such as "struct file *"'
    )
