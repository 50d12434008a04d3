"""ubytes: so many bytes of a process's memory, NULs and all."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pybpf import btf
from pybpf.errors import LoweringError
from pybpf.spec import ObjectSpec
from pybpf.vm import UNREADABLE, Machine

PROBE = """
@kprobe("f")
def probe(p: "const char __user *", n: u64, k: "char *"):
    e = events.reserve()
    if not e:
        return
    e.ts, e.op = n, 0
    {}
    events.submit(e)
"""


@pytest.mark.parametrize(
    ("size", "data"),
    [(0, b""), (3, b"a\0b"), (15, b"a\0b" + bytes(5) + b"cdefghi"), (99, b"a\0b" + bytes(5) + b"cdefghi")],
)
def test_they_are_copied_with_a_nul_behind(
    lowered: Callable[..., ObjectSpec], size: int, data: bytes
) -> None:
    machine = Machine(lowered(PROBE.format("e.comm = ubytes(p, min(n, 15))")), btf=btf.reference())
    memory = machine.kernel.user(b"a\0b" + bytes(5) + b"cdefghijkl")
    for _ in range(2):  # what an earlier event left is not sent
        machine.call("probe", memory, 15)
    machine.call("probe", memory, size)
    *_, sent = machine.maps["events"].take()  # type: ignore[attr-defined]
    assert sent == size.to_bytes(8, "little") + bytes(4) + data + b"\0"


def test_memory_that_cannot_be_read_is_an_empty_text(lowered: Callable[..., ObjectSpec]) -> None:
    machine = Machine(lowered(PROBE.format("e.comm = ubytes(p, u8(n) & 15)")), btf=btf.reference())
    machine.call("probe", UNREADABLE, 7)
    assert machine.maps["events"].records() == [{"ts": 7, "op": 0, "comm": b""}]  # type: ignore[attr-defined]


ERRORS = {
    "e.comm = ubytes(p, min(n, 16))": (
        "this text has room for 15 bytes and a NUL, and may get 16: bound the number, as in"
        " ubytes(p, min(n, 15))"
    ),
    "e.comm = ubytes(p, 16)": (
        "this text has room for 15 bytes and a NUL, and may get 16: bound the number, as in"
        " ubytes(p, min(n, 15))"
    ),
    "e.comm = ubytes(p, n)": (
        "this text has room for 15 bytes and a NUL, and may get 18446744073709551615: bound the number, as in"
        " ubytes(p, min(n, 15))"
    ),
    "e.comm = ubytes(k, 3)": (
        "ubytes reads from a pointer to user memory, not from a char *: say __user in its C declaration,"
        ' as in cast(p, "char __user *")'
    ),
    "e.comm = ubytes(7, 3)": (
        "ubytes reads from a pointer to user memory, not from 7: say __user in its C declaration, as in"
        ' cast(p, "char __user *")'
    ),
    'e.comm = ubytes(p, "x")': "the number of ubytes is a u64, and 'x' is no number",
}


@pytest.mark.parametrize("line", ERRORS)
def test_errors(lowered: Callable[..., ObjectSpec], line: str) -> None:
    with pytest.raises(LoweringError) as caught:
        lowered(PROBE.format(line))
    assert caught.value.message == ERRORS[line]
