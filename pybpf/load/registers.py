"""What a register held when the verifier gave up: in words, and the Python line that it comes from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pybpf.asm import Statement
from pybpf.source import Location

__all__ = ["meaning", "name", "origin", "state"]

_INSTRUCTION = re.compile(r"(\d+): \([0-9a-f]{2}\) ")
_BRANCH = re.compile(r"from (\d+) to \d+")
# Opcodes (RFC 9669): a move between registers, 64-bit loads and stores of one, any call.
_MOVE, _LOAD, _STORE, _CALL = 0xBF, 0x79, 0x7B, 0x85
_FRAME = 10


def state(log: Sequence[str], register: int) -> str:
    """What the log says last of a register, such as `map_value(map=starts,ks=8,vs=16)`; "" for nothing."""
    pattern = re.compile(rf"\bR{register}(?:_\w+)?=(-?\w[\w-]*(?:\((?:[^()]|\([^()]*\))*\))?)")
    for line in reversed(log):
        found = pattern.findall(line)
        if found:
            return str(found[-1])
    return ""


def meaning(text: str) -> str:
    """A register's state in words: `map_value_or_null(…)` is "a value of the map starts, or None"."""
    kind, _, rest = text.rstrip(")").partition("(")
    fields = dict(part.partition("=")[::2] for part in re.split(r",(?![^(]*\))", rest))
    number = re.fullmatch(r"(?:inv|P|invP)?(-?(?:0x[0-9a-f]+|\d+))", kind)
    if number:
        return f"the number {int(number[1], 0)}"
    if kind.startswith(("scalar", "inv")):
        return _number(rest)
    if kind.startswith("fp"):
        return f"an address in the stack (r10{'' if kind == 'fp0' else f' {kind[2:]}'})"
    of_map = f" of the map {fields['map']}" if "map" in fields else " of a map"
    simple = {
        "ctx": "the context",
        "map_value": f"a value{of_map}, of {fields.get('vs', '?')} bytes{_offset(rest)}",
        "map_value_or_null": f"a value{of_map}, or None",
        "map_ptr": f"the map {fields.get('map', 'itself')}",
        "pkt": f"an address in the packet{_offset(rest)}",
        "pkt_end": "the end of the packet",
    }
    if kind in simple:
        return simple[kind]
    pointer = re.fullmatch(r"(?:trusted_|rcu_|untrusted_|percpu_)*ptr_(or_null_)?(\w+)", kind)
    if pointer:
        return f"a struct {pointer[2]} *{', or None' if pointer[1] else ''}"
    memory = re.fullmatch(r"(?:\w+_)?mem(_or_null)?", kind)
    if memory:
        return f"memory of {fields.get('sz', '?')} bytes{', or None' if memory[1] else ''}"
    return text


def _offset(fields: str) -> str:
    """Where in its memory a pointer is, when that isn't the start."""
    fixed = re.search(r"\boff=(\d+)", fields)
    bounds = _bounds(fields)
    if "umax" in bounds:
        return f", at an offset from {bounds.get('umin', 0)} to {bounds['umax']}"
    return f", at offset {fixed[1]}" if fixed and fixed[1] != "0" else ""


def _bounds(fields: str) -> dict[str, int]:
    bounds = {}
    for name in ("smin", "smax", "umin", "umax"):
        # One value may be given to several: smax=umax=63.
        found = re.search(rf"\b{name}(?:_value)?=(?:\w+=)*(-?(?:0x[0-9a-f]+|\d+))", fields)
        if found:
            bounds[name] = int(found[1], 0)
    return bounds


def _number(fields: str) -> str:
    """A number by its bounds, as unsigned if it can't be negative."""
    bounds = _bounds(fields)
    if "umax" in bounds:
        return f"a number from {bounds.get('umin', 0)} to {bounds['umax']}"
    if "smin" in bounds or "smax" in bounds:
        return f"a number from {bounds.get('smin', -(1 << 63))} to {bounds.get('smax', (1 << 63) - 1)}"
    return "any number"


def name(place: Location) -> str:
    """The author's name for what a place makes: what it is assigned to, or the parameter; "" for neither."""
    before = place.text[: place.column - 1].strip()
    assigned = re.fullmatch(r"(\w+) =", before)
    parameter = re.match(r"(\w+)\s*:", place.text[place.column - 1 :]) if before.startswith("def ") else None
    found = assigned or parameter
    return found[1] if found else ""


def origin(code: Sequence[Statement], log: Sequence[str], register: int) -> Location | None:
    """The place that gave a register its value, on the path that the log ends with.

    Moves and spills are followed back. None when it was there from the start, or isn't known.
    """
    slot: int | None = None
    for statement in _backwards(code, log):
        insn = statement.insn
        if slot is not None:
            if (insn.opcode, insn.dst, insn.offset) == (_STORE, _FRAME, slot):
                register, slot = insn.src, None
            continue
        if insn.opcode == _CALL and register == 0:
            return statement.location
        # Loads (classes 0 and 1) and arithmetic (4 and 7) write to `dst`.
        if insn.opcode & 7 not in (0, 1, 4, 7) or insn.dst != register:
            continue
        if insn.opcode == _MOVE:
            register = insn.src
        elif insn.opcode == _LOAD and insn.src == _FRAME:
            slot = insn.offset
        else:
            return statement.location
    return None


def _backwards(code: Sequence[Statement], log: Sequence[str]) -> Iterator[Statement]:
    """The instructions before the one where the log ends, the last first, along the path that was taken."""
    at: dict[int, Statement] = {}
    index = 0
    for statement in code:
        at[index] = statement
        index += statement.insn.slots
    came_from: int | None = None
    first = True
    for line in reversed(log):
        branch, found = _BRANCH.match(line), _INSTRUCTION.match(line)
        if branch and came_from is None:
            came_from = int(branch[1])
        elif found and came_from in (None, int(found[1])):
            came_from = None
            if not first and int(found[1]) in at:
                yield at[int(found[1])]
            first = False
