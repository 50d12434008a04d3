"""The verifier's log: what it says, and which Python line it says it of."""

from __future__ import annotations

import re
from typing import NamedTuple

from pybpf.errors import VerifierError
from pybpf.source import Location
from pybpf.spec import ProgramSpec

__all__ = ["Verdict", "error", "locate", "read"]

_INSTRUCTION = re.compile(r"(\d+): \([0-9a-f]{2}\) ")
_MENTIONED = re.compile(r"\binsn (\d+)\b")
# Figures at the end, which say nothing of the cause.
_FIGURES = re.compile(
    r"processed \d+ insns|verification time |stack depth |mark_precise: |(last_idx|regs=|parent )"
)
# How many lines before the decisive one are shown with it.
_SHOWN = 4


class Verdict(NamedTuple):
    """`summary` is the decisive line, `lines` those around it, `at` the instruction in units of 8 bytes."""

    summary: str
    at: int
    lines: tuple[str, ...]


def read(log: str) -> Verdict:
    """Find the reason in the log of a program that was rejected; `at` is -1 when it names no instruction."""
    lines = [line.rstrip() for line in log.splitlines() if line.strip()]
    while len(lines) > 1 and _FIGURES.match(lines[-1]):
        lines.pop()
    if not lines:
        return Verdict("it gave no reason", -1, ())
    last = next((at for at in reversed(range(len(lines))) if _INSTRUCTION.match(lines[at])), -1)
    mentioned = _MENTIONED.search(lines[-1])
    named = _INSTRUCTION.match(lines[last]) if last >= 0 else mentioned
    index = int(named[1]) if named else -1
    first = max(0, min(last - 1, len(lines) - _SHOWN)) if last >= 0 else max(0, len(lines) - _SHOWN)
    return Verdict(lines[-1], index, tuple(lines[first:]))


def locate(spec: ProgramSpec, index: int) -> Location | None:
    """The place in the source of the instruction at `index` in units of 8 bytes."""
    at = 0
    for statement in spec.code:
        if at <= index < at + statement.insn.slots:
            return statement.location
        at += statement.insn.slots
    return None


def error(spec: ProgramSpec, log: str) -> VerifierError:
    """The error to raise for a program that was rejected with this log."""
    summary, index, lines = read(log)
    return VerifierError(spec.name, summary, log, locate(spec, index), index, lines)
