"""The instructions of an object, under the Python lines that they come from."""

from __future__ import annotations

from pathlib import PurePath

from pybpf.asm import format_statement
from pybpf.inspect.tables import describe_attach
from pybpf.isa import slot_indices
from pybpf.source import Location
from pybpf.spec import ObjectSpec, ProgramSpec

__all__ = ["listing"]


def listing(spec: ObjectSpec) -> str:
    """All programs, sorted by name.

    An instruction's number counts units of 8 bytes, as the verifier's log and bpftool do.
    """
    programs = sorted(spec.programs, key=lambda program: program.name)
    return "\n".join(_program(program) for program in programs)


def _program(program: ProgramSpec) -> str:
    indices = slot_indices(statement.insn for statement in program.code)
    lines = [f"{program.name}: {describe_attach(program.attach)}"]
    above: Location | None = None
    for index, statement in zip(indices, program.code):
        location = statement.location
        if location is not None and (above is None or location[:2] != above[:2]):
            lines.append(f"; {PurePath(location.file).name}:{location.line}: {location.text.strip()}")
        above = location
        lines += [f"{label}:" for label in statement.labels]
        lines.append(f"{index:6}: {format_statement(statement)}")
    return "\n".join(lines) + "\n"
