"""BTF that goes with programs: the names of their functions, and the Python line of each instruction.

The verifier's log, `bpftool prog dump xlated linum` and the kernel's stack traces quote it (5.0).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from pybpf.errors import SyscallError
from pybpf.maps.typed import load_btf
from pybpf.spec import ProgramSpec
from pybpf.sys import Fd

if TYPE_CHECKING:
    from pybpf.source import Location

__all__ = ["Debug", "DebugInfo", "describe"]


def _lines(spec: ProgramSpec) -> Iterator[tuple[int, Location]]:
    """The place of each instruction, without those of which nothing is known; there is one for the first."""
    known = None
    index = 0
    waiting = True
    for statement in spec.code:
        known = statement.location or known
        if known is not None:
            yield (0 if waiting else index), known
            waiting = False
        index += statement.insn.slots


def _functions(spec: ProgramSpec) -> Iterator[tuple[int, str]]:
    """The first instruction and the name of each function: the program itself, then its subprograms."""
    from pybpf.asm import SubprogramRef

    called = {statement.ref.name for statement in spec.code if isinstance(statement.ref, SubprogramRef)}
    yield 0, spec.name
    index = 0
    for statement in spec.code:
        yield from ((index, label) for label in statement.labels if label in called)
        index += statement.insn.slots


class Debug(NamedTuple):
    """The BTF of an object's programs; `fields[name]` are those of BPF_PROG_LOAD for a program."""

    btf: bytes
    fields: dict[str, dict[str, Any]]


def describe(programs: Iterable[ProgramSpec]) -> Debug:
    """Of programs of whose lines nothing is known, nothing is said."""
    from pybpf.btf.build import Builder

    builder = Builder()
    # Without parameters: of a `void *` the verifier says in its log that it can't tell the type.
    prototype = builder.prototype(builder.integer("int", 4, True), ())
    fields: dict[str, dict[str, Any]] = {}
    for spec in programs:
        found = list(_functions(spec))
        functions = builder.func_info((index, builder.function(name, prototype)) for index, name in found)
        lines = builder.line_info(_lines(spec), [index for index, _ in found])
        if lines:
            fields[spec.name] = {
                "func_info": functions,
                "func_info_rec_size": 8,
                "func_info_cnt": len(functions) // 8,
                "line_info": lines,
                "line_info_rec_size": 16,
                "line_info_cnt": len(lines) // 16,
            }
    return Debug(builder.finish() if fields else b"", fields)


class DebugInfo:
    """That BTF loaded into the kernel; leaving `with` closes its descriptor.

    A kernel that doesn't take the BTF (before 5.0, or without CONFIG_DEBUG_INFO_BTF's parser) gets programs
    without it: `fields` is empty then, and `error` says why; nothing but the quality of messages depends on
    it.
    """

    def __init__(self, debug: Debug) -> None:
        self.fields: dict[str, dict[str, Any]] = {}
        self.error: SyscallError | None = None
        self._fd: Fd | None = None
        if not debug.fields:
            return
        try:
            self._fd = load_btf(debug.btf, "BTF of programs")
        except SyscallError as error:
            self.error = error
            return
        number = {"prog_btf_fd": self._fd.fileno()}
        self.fields = {name: {**fields, **number} for name, fields in debug.fields.items()}

    def __enter__(self) -> DebugInfo:
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd is not None:
            self._fd.close()
