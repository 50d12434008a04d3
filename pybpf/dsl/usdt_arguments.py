"""The arguments of a USDT probe: each lies where the assembler's operand says, `-4@%edi` or `8@-16(%rbp)`.

The number before `@` is the size in bytes, negative for a number with a sign; then comes a register, a
constant (`$5`), or memory of the process: `offset(base, index, scale)`, which `%rip` counts from the probe.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pybpf.codegen.ir import Op
from pybpf.dsl.kernel import USER, pointer

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["argument", "unknown"]

_SIZED = re.compile(r"(?:(-?[1248])@)?(.+)")
_MEMORY = re.compile(r"(-?\d+|-?0x[0-9a-f]+)?\(%(\w+)(?:,%(\w+)(?:,([1248]))?)?\)")
# A register's name without what says how much of it is meant, and how it is called in `struct pt_regs`.
_WORDS = ("ax", "bx", "cx", "dx", "si", "di", "bp", "sp", "ip")
_REGISTERS = {
    **{f"{prefix}{word}": word for word in _WORDS for prefix in ("r", "e", "")},
    **{f"{letter}l": f"{letter}x" for letter in "abcd"},
    **{f"{word}l": word for word in ("si", "di", "bp", "sp")},
    **{f"r{number}{part}": f"r{number}" for number in range(8, 16) for part in ("", "d", "w", "b")},
}


def argument(texts: str, cx: Context, number: int) -> Op | None:
    """Argument `number` of those in `texts`, as 64 bits; None when there are no so many.

    Raises LoweringError for one that a program can't see.
    """
    words = texts.split()
    if number >= len(words):
        return None
    match = _SIZED.fullmatch(words[number])
    assert match is not None  # anything is an operand without a size
    size, operand = int(match[1] or 8), match[2]
    found = _operand(cx, operand, abs(size), size < 0)
    if found is None:
        raise cx.error(f"argument {number + 1} is in {words[number]}, where a probe can't look")
    return found


def unknown(cx: Context, number: int) -> Op | None:
    """What an argument is where the target doesn't tell. Raises LoweringError."""
    raise cx.error(
        "where the arguments of a USDT probe are is written in its file, which a program for any kernel"
        " does not look into: lower it for this host (pybpf inspect --target host)"
    )


def _operand(cx: Context, text: str, size: int, signed: bool) -> Op | None:
    if re.fullmatch(r"\$-?(\d+|0x[0-9a-f]+)", text):
        return cx.build.extend(cx.build.const(int(text[1:], 0)), size, signed)
    if text[0] == "%" and text[1:] in _REGISTERS:
        return cx.build.extend(_register(cx, text[1:]), size, signed)
    if re.fullmatch("%[abcd]h", text):
        upper = cx.build.alu("rsh", _register(cx, f"{text[1]}x"), cx.build.const(8))
        return cx.build.extend(upper, 1, signed)
    match = _MEMORY.fullmatch(text)
    if match is None or match[2] not in _REGISTERS or (match[3] or match[2]) not in _REGISTERS:
        return None
    address = cx.build.alu("add", _register(cx, match[2]), cx.build.const(int(match[1] or "0", 0)))
    if match[3]:
        index = cx.build.alu("mul", _register(cx, match[3]), cx.build.const(int(match[4] or 1)))
        address = cx.build.alu("add", address, index)
    declaration = f"{'s' if signed else 'u'}{8 * size} *"
    return pointer(cx, address, declaration, USER).item(cx, 0).op  # type: ignore[no-any-return]


def _register(cx: Context, name: str) -> Op:
    """What a register held, from those that `pt_regs` keeps."""
    field = cx.field_of(cx.type_of("struct pt_regs"), _REGISTERS[name])
    return cx.build.load(cx.context, field.offset, 8)
