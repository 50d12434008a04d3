"""The kernel's printf, as far as programs may use it (bpf_bprintf_prepare in kernel/bpf/helpers.c)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pybpf.vm.errors import Fault

if TYPE_CHECKING:
    from pybpf.vm.machine import Machine

__all__ = ["formatted"]

_HOLE = re.compile(rb"%(?:(%)|([-+ #0]*)(\d*)(?:\.(\d+))?(hh|h|ll|l)?([diuxXcspB][ksu]?s?))")
_BITS = {b"hh": 8, b"h": 16, b"": 32, b"l": 64, b"ll": 64}


def formatted(machine: Machine, format: bytes, values: Sequence[int | None]) -> bytes:
    """`format` with its holes filled; a Fault for a hole that has no value."""
    left = list(values)

    def fill(match: re.Match[bytes]) -> bytes:
        percent, flags, width, _, length, kind = match.groups()
        if percent:
            return b"%"
        if not left or left[0] is None:
            raise Fault(f"no argument for {match.group().decode()} in {format.decode(errors='replace')!r}")
        number = left.pop(0)
        assert number is not None
        letter = kind[:1]
        if kind in (b"s", b"pks", b"pus"):
            text = machine.memory.string(number, 1 << 16, user=kind == b"pus")
            return text.rjust(int(width or 0)) if b"-" not in flags else text.ljust(int(width or 0))
        if letter in b"pB":
            return b"%016x" % number
        bits = _BITS[length or b""]
        number &= (1 << bits) - 1
        if letter == b"c":
            return bytes([number & 0xFF])
        if letter in b"di":
            number -= (number & 1 << bits - 1) << 1
        shape = b"%" + flags + width + (b"d" if letter in b"diu" else letter)
        return shape % number

    return _HOLE.sub(fill, format)
