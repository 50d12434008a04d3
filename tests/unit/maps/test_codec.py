"""Keys and values between Python and bytes."""

from __future__ import annotations

from typing import Any

import pytest

from pybpf.errors import UsageError
from pybpf.maps.codec import Codec
from pybpf.spec import CString, Int, Layout, Struct

U32, I64 = Int("u32", 4), Int("i64", 8, signed=True)
INNER = Struct("inner", [("tid", U32), ("comm", CString[3])])
OUTER = Struct("outer", [("at", I64), ("inner", INNER)])


@pytest.mark.parametrize(
    ("layout", "size", "value", "data"),
    [
        (U32, 4, 7, b"\7\0\0\0"),
        (I64, 8, -2, b"\xfe" + b"\xff" * 7),
        (CString[4], 4, b"ab", b"ab\0\0"),
        (CString[4], 4, b"abcd", b"abcd"),
        (None, 3, b"a\0b", b"a\0b"),
        (OUTER, 16, (-1, 5, b"xyz"), b"\xff" * 8 + b"\5\0\0\0xyz\0"),
    ],
)
def test_there_and_back(layout: Layout | None, size: int, value: Any, data: bytes) -> None:
    codec = Codec(layout, size)
    assert codec.pack(value) == data
    assert codec.unpack(data) == value


@pytest.mark.parametrize(
    ("layout", "size", "value", "text"),
    [
        (None, 3, b"ab", "^2 bytes, expected 3$"),
        (CString[4], 4, b"abcde", "^5 bytes, expected 4$"),
        (U32, 4, 1 << 32, "^4294967296 is no u32: "),
        (U32, 4, "7", "^'7' is no u32: "),
        (OUTER, 16, (1, 2), r"^\(1, 2\) is no outer: "),
    ],
)
def test_what_does_not_fit(layout: Layout | None, size: int, value: Any, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        Codec(layout, size).pack(value)
