"""Programs and maps before a kernel has seen them: pure data, equal on every machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pybpf.errors import UsageError

if TYPE_CHECKING:
    from pybpf.asm import Statement
    from pybpf.spec.layout import Layout

__all__ = [
    "DROPPED",
    "LICENSE",
    "Attach",
    "Function",
    "MapSpec",
    "ObjectSpec",
    "ProgramSpec",
    "functions",
    "targets",
]

# Helpers that the kernel keeps for GPL-compatible programs ask for this.
LICENSE = "Dual BSD/GPL"

# The map that counts, for each map, the elements that it had no room for.
DROPPED = ".bss"


class MapSpec(NamedTuple):
    """A map to be made. Sizes in bytes; `type` is a `BPF_MAP_TYPE_*`.

    `key` and `value` are the layouts, where they are known; `data` is the initial content of an array's
    only element (`.rodata`, a variable), which is frozen after it was written when programs can't write to
    it. `inner` is what each element of a map of maps is like.
    """

    name: str
    type: int
    key_size: int
    value_size: int
    max_entries: int
    flags: int = 0
    key: Layout | None = None
    value: Layout | None = None
    data: bytes | None = None
    inner: MapSpec | None = None


class Function(NamedTuple):
    """A place to attach to: the first of `names` that is there; none is fine when `optional`.

    A name is a kernel function's, or what other kinds of probes go to: a tracepoint's, a symbol in a file, an
    event with its rate, a network interface's.
    """

    names: tuple[str, ...]
    optional: bool = False


def targets(text: str, name: re.Pattern[str], what: str) -> tuple[Function, ...]:
    """Read `"a"`, `"a,b?"` (a, and b where it exists) or `"a|b"` (a, or else b), names being as `name` says.

    Raises UsageError with `what` a name is.
    """
    found = []
    for word in filter(None, map(str.strip, text.split(","))):
        names = tuple(map(str.strip, word.rstrip("?").split("|")))
        if not all(map(name.fullmatch, names)):
            raise UsageError(f"{word!r} is not {what}")
        found.append(Function(names, word.endswith("?")))
    return tuple(found)


# Patterns are compiled when they are first used: that takes as long as to import a module.
_FUNCTION = r"[A-Za-z_][\w.]*(\+(0x[0-9a-fA-F]+|\d+))?|0x[0-9a-fA-F]+"


def functions(text: str) -> tuple[Function, ...]:
    """The kernel functions that a text names, as `targets` reads it: `a`, `a+0x10` or an address."""
    return targets(text, re.compile(_FUNCTION), "the name of a kernel function")


class Attach(NamedTuple):
    """How a program is attached: `kind` as in `pybpf.link.KINDS` (`kprobe`, …), and to which places.

    `cookies`, one a place, are what the program gets by `get_attach_cookie()`; there may be none.
    `maxactive` is how many calls a kretprobe sees at a time, 0 for as many as the kernel likes. `pid` is the
    one process that functions of files are probed in, 0 for all.
    """

    kind: str
    functions: tuple[Function, ...]
    cookies: tuple[int, ...] = ()
    maxactive: int = 0
    pid: int = 0

    def cookie(self, function: Function) -> int:
        """The cookie of a place, or 0."""
        return dict(zip(self.functions, self.cookies)).get(function, 0)


class ProgramSpec(NamedTuple):
    """A program to be loaded. `type` is a `BPF_PROG_TYPE_*`; `code` has maps as symbols.

    `attach_type` is the `BPF_*` attach type that some types of programs are loaded for, or 0. One that is
    `sleepable` may call helpers that wait.
    """

    name: str
    type: int
    code: tuple[Statement, ...]
    attach: Attach
    license: str = LICENSE
    attach_type: int = 0
    sleepable: bool = False


class ObjectSpec(NamedTuple):
    """All programs and maps of one probe file. `source` is the file it was written in."""

    name: str
    programs: tuple[ProgramSpec, ...]
    maps: tuple[MapSpec, ...]
    source: str = ""

    def program(self, name: str) -> ProgramSpec:
        return next(program for program in self.programs if program.name == name)

    def map(self, name: str) -> MapSpec:
        return next(map for map in self.maps if map.name == name)
