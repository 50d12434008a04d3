"""Every exception that pybpf raises on purpose.

`BpfError` is the base; each class also derives from the nearest builtin and carries its data as attributes.
"""

from __future__ import annotations

import errno as _errno
import os
from collections.abc import Iterable

TYPE_CHECKING = False  # as type checkers know it, without importing typing

if TYPE_CHECKING:
    from pybpf.source import Location

__all__ = [
    "AsmError",
    "BpfError",
    "BtfError",
    "EncodingError",
    "FieldNotFound",
    "LoadError",
    "LoweringError",
    "ProgramNotFound",
    "SyscallError",
    "TypeNotFound",
    "UnsupportedFeature",
    "UsageError",
    "VerifierError",
    "near",
    "near_names",
]


def near_names(name: str, names: Iterable[str], most: int = 3) -> list[str]:
    """The names most like `name`, best first: at most `most`, none of them much less like it than the best.

    The dashes that options begin with don't count: they are no likeness.
    """
    import difflib  # here, since nothing else of a run needs it

    matcher = difflib.SequenceMatcher(b=name.lstrip("-"))
    likeness = {}
    for each in names:
        matcher.set_seq1(each.lstrip("-"))
        # The quick ones, never less than the ratio, say most often that it isn't worth finding.
        if matcher.real_quick_ratio() >= _LEAST and matcher.quick_ratio() >= _LEAST:
            likeness[each] = matcher.ratio()
    least = max(_LEAST, max(likeness.values(), default=0) - _WORSE)
    found = sorted(
        (each for each in likeness if likeness[each] >= least), key=lambda n: (likeness[n], n), reverse=True
    )
    return found[:most]


# How like a name must be to be worth showing (1: the same), and how much less than the best.
_LEAST, _WORSE = 0.6, 0.1


def near(name: str, names: Iterable[str]) -> str:
    """`" (did you mean 'a' or 'b'?)"`, or an empty text when nothing is like `name`."""
    found = [repr(n) for n in near_names(name, names)]
    return f" (did you mean {' or '.join(found)}?)" if found else ""


class BpfError(Exception):
    """Base of all errors of pybpf. `str(error)` is one message with the cure, fit for a person."""


class UsageError(BpfError, ValueError):
    """A wrong option, name or value was given by the user; the command exits with status 2."""


class ProgramNotFound(UsageError, LookupError):
    """No program of that name or file."""

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message)
        self.name = name


class LoweringError(BpfError, SyntaxError):
    """Python that can't become BPF: what was found, where, and what would be right.

    `.location` is the place, `.callers` the places of the calls through which an inlined function was
    reached (innermost first), `.notes` other places that matter (such as both arms of an `if`).
    """

    def __init__(
        self,
        message: str,
        location: Location | None = None,
        callers: Iterable[Location] = (),
        notes: Iterable[tuple[str, Location]] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.location = location
        self.callers = tuple(callers)
        self.notes = tuple(notes)

    def __str__(self) -> str:
        if self.location is None:
            return self.message
        parts = [_quoted(self.location, self.message), *(_quoted(place, note) for note, place in self.notes)]
        calls = [_quoted(place, "called from here") for place in self.callers]
        if len(calls) > _MOST_CALLS:
            left_out = len(calls) - _MOST_CALLS
            calls[_MOST_CALLS - 1 : -1] = [f"({left_out} more calls)"]
        return "\n".join([*parts, *calls])


# Of a function that calls itself, no more calls than these are shown.
_MOST_CALLS = 6


def _quoted(place: Location, text: str) -> str:
    """`text` with the place in front, and the source below where that can be read."""
    return f"{place}: {text}\n{place.snippet()}".rstrip("\n")


class EncodingError(BpfError, ValueError):
    """An instruction that RFC 9669 has no encoding for, or bytes that are no instruction.

    `.index` is the position in units of 8 bytes, where it is known.
    """

    def __init__(self, message: str, index: int | None = None) -> None:
        super().__init__(message if index is None else f"instruction {index}: {message}")
        self.index = index


class AsmError(BpfError, ValueError):
    """A text or symbol of assembly that is wrong. `.line` and `.column` count from 1; `.text` is the line."""

    def __init__(self, message: str, line: int = 0, column: int = 0, text: str = "") -> None:
        where = f"line {line}, column {column}: " if line else ""
        caret = f"\n    {text}\n    {' ' * (column - 1)}^" if text and column else ""
        super().__init__(f"{where}{message}{caret}")
        self.message = message
        self.line = line
        self.column = column
        self.text = text


class BtfError(BpfError, ValueError):
    """BTF that is damaged, or not there. `.offset` is the byte at fault, where it is known."""

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message if offset is None else f"{message} (at byte {offset:#x})")
        self.offset = offset


class TypeNotFound(BpfError, LookupError):
    """A kernel has no type of that name. `.near` lists names like it."""

    def __init__(self, name: str, near: Iterable[str] = ()) -> None:
        self.name = name
        self.near = tuple(near)
        hint = f" (did you mean {' or '.join(map(repr, self.near))}?)" if self.near else ""
        super().__init__(f"no type {name!r} in this BTF{hint}")


class FieldNotFound(BpfError, LookupError):
    """A type has no field of that name. `.near` lists the fields like it."""

    def __init__(self, type: str, field: str, near: Iterable[str] = ()) -> None:
        self.type = type
        self.field = field
        self.near = tuple(near)
        hint = f" (did you mean {' or '.join(map(repr, self.near))}?)" if self.near else ""
        super().__init__(f"{type} has no field {field!r}{hint}")


class UnsupportedFeature(BpfError, NotImplementedError):
    """This kernel can't do it. `.name`, `.since` (the first kernel that can), `.why` (with the cure)."""

    def __init__(self, name: str, since: str = "", why: str = "") -> None:
        text = f"this kernel has no {name}"
        if since:
            text += f" (since Linux {since})"
        if why:
            text += f": {why}"
        super().__init__(text)
        self.name = name
        self.since = since
        self.why = why


class SyscallError(BpfError, OSError):
    """A system call failed: `.call` (such as `bpf(BPF_MAP_CREATE)`), `.errno`, and `.why`, the cure.

    `.lacking` are the capabilities for want of which it was denied, where that is the reason.
    """

    def __init__(self, call: str, errno: int, why: str = "", lacking: Iterable[str] = ()) -> None:
        super().__init__(errno, os.strerror(errno))
        self.call = call
        self.why = why
        self.lacking = tuple(lacking)

    def about(self, what: str) -> SyscallError:
        """The same, saying of what: a map, a link."""
        return SyscallError(self.call, self.errno or 0, f"{what}: {self.why}".rstrip(": "), self.lacking)

    def __str__(self) -> str:
        number = self.errno or 0
        name = _errno.errorcode.get(number, str(number))
        text = f"{self.call}: {os.strerror(number)} ({name})"
        return f"{text}: {self.why}" if self.why else text


class LoadError(BpfError):
    """A map, program or link could not be made, for a reason that has a cure. `.name` is the object's."""

    def __init__(self, message: str, name: str = "") -> None:
        super().__init__(message)
        self.name = name


class VerifierError(LoadError):
    """The kernel's verifier rejected a program.

    `.program` its name, `.summary` the decisive line, `.location` the Python line of the rejected
    instruction (None when unknown), `.index` that instruction (-1 when unknown), `.log` the whole log,
    `.notes` what it means in plain words.
    """

    def __init__(
        self,
        program: str,
        summary: str,
        log: str,
        location: Location | None = None,
        index: int = -1,
        lines: Iterable[str] = (),
        notes: Iterable[str] = (),
    ) -> None:
        self.notes = tuple(notes)
        text = f"the verifier rejected {program}: {summary}"
        if location is not None:
            text = f"{location}: {text}\n{location.snippet()}"
        text = "\n".join([text, *self.notes])
        decisive = list(lines)
        if decisive:
            text += "\n" + "\n".join(f"    {line}" for line in decisive)
            omitted = len(log.splitlines()) - len(decisive)
            if omitted > 0:
                text += f"\n    ({omitted} lines omitted; --debug shows the whole log)"
        super().__init__(text, program)
        self.program = program
        self.summary = summary
        self.log = log
        self.location = location
        self.index = index
