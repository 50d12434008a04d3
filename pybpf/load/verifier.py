"""The verifier's log: what it says, and which Python line it says it of.

Two forms are read: the classic one, in which the reason is the last line before the figures; and, since
7.3, that followed by a report with headings ("Reason:", "At:", "Causal path:", "Suggestion:").
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pybpf.errors import VerifierError
from pybpf.load import registers
from pybpf.load.causes import cause
from pybpf.source import Location
from pybpf.spec import ProgramSpec
from pybpf.sys import explain
from pybpf.sys.privilege import privilege

__all__ = ["Verdict", "error", "locate", "read"]

_INSTRUCTION = re.compile(r"(\d+): \([0-9a-f]{2}\) ")
_MENTIONED = re.compile(r"\binsn (\d+)\b")
# Figures at the end, which say nothing of the cause.
_FIGURES = re.compile(r"processed \d+ insns|verification time |stack depth |(cur|old) state: ")
_REGISTER = re.compile(r"\bR(\d+)\b")
_REPORT = "Verification failed: "
# How many lines before the decisive one are shown with it, at least.
_SHOWN = 3


class Verdict(NamedTuple):
    """`summary` is the decisive line, `lines` those around it, `at` the instruction in units of 8 bytes."""

    summary: str
    at: int
    lines: tuple[str, ...]


def _section(report: list[str], heading: str) -> list[str]:
    """What stands indented below a heading of the report, as one line; nothing without such a heading."""
    if heading not in report:
        return []
    words = []
    for line in report[report.index(heading) + 1 :]:
        if not line.startswith(" "):
            break
        words.append(line.strip())
    return [f"{heading} {' '.join(words)}"]


def read(log: str) -> Verdict:
    """Find the reason in the log of a program that was rejected; `at` is -1 when it names no instruction."""
    lines = [line.rstrip() for line in log.splitlines() if line.strip() and not _FIGURES.match(line)]
    end = next((at for at, line in enumerate(lines) if line.startswith(_REPORT)), len(lines))
    report = lines[end:]
    lines = lines[:end] or [report[0][len(_REPORT) :] if report else "it gave no reason"]
    traced = [(at, found) for at, found in enumerate(map(_INSTRUCTION.match, lines)) if found]
    last, found = traced[-1] if traced else (len(lines), _MENTIONED.search(lines[-1]))
    first = max(0, min(last - 1, len(lines) - _SHOWN - 1))
    shown = (*lines[first:], *_section(report, "Reason:"), *_section(report, "Suggestion:"))
    return Verdict(lines[-1], int(found[1]) if found else -1, shown)


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
    if "bpf_probe_read" in summary:
        # Lockdown takes the helper away, of which the verifier only says that it isn't there.
        lockdown = explain.lockdown_forbids("reading kernel memory", privilege())
        summary += f": {lockdown}" if lockdown else ""
    notes = _notes(spec, summary, log.splitlines())
    return VerifierError(spec.name, summary, log, locate(spec, index), index, lines, notes)


def _notes(spec: ProgramSpec, summary: str, log: list[str]) -> list[str]:
    """What the decisive line means, what helps, and what the register is that it names."""
    notes = []
    found = cause(summary)
    if found is not None:
        notes += [f"that is: {found.why}", f"what helps: {found.cure}"]
    named = _REGISTER.search(summary)
    if named is None or "!read_ok" in summary:  # it holds nothing
        return notes
    number = int(named[1])
    place = registers.origin(spec.code, log, number)
    called = registers.name(place) if place else ""
    held = registers.state(log, number)
    if held:
        notes.append(f"r{number}{f' ({called})' if called else ''} is {registers.meaning(held)}")
    if place is not None:
        text = place.text.strip()
        notes.append(f"r{number} comes from {place}{': ' if text else ''}{text}")
    return notes
