"""The maps and the programs of an object as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pybpf.isa import slot_indices
from pybpf.spec import Attach, MapSpec, ObjectSpec, ProgramSpec, Struct
from pybpf.uapi.names import name_of

__all__ = ["describe_attach", "map_table", "program_table", "table"]


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns as wide as their widest cell, two spaces apart; those that hold only numbers to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    columns = list(zip(header, *cells))
    widths = [max(map(len, column)) for column in columns]
    right = [all(cell.isdigit() for cell in column[1:]) and bool(cells) for column in columns]
    lines = []
    for row in [header, *cells]:
        texts = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right)
        )
        lines.append("  ".join(texts).rstrip())
    return "\n".join(lines) + "\n"


def map_table(spec: ObjectSpec) -> str:
    """All maps, sorted by name: type, sizes in bytes, entries; then the records in them, with offsets."""
    header = ("NAME", "TYPE", "KEY", "VALUE", "ENTRIES", "LAYOUT")
    maps = sorted(spec.maps, key=lambda map: map.name)
    layouts = (layout for map in maps for layout in (map.key, map.value))
    records = dict.fromkeys(layout for layout in layouts if isinstance(layout, Struct))
    return "\n".join([table(header, _map_rows(maps)), *(_record(record) for record in records)])


def _map_rows(maps: Iterable[MapSpec]) -> Iterator[tuple[object, ...]]:
    for map in maps:
        layout = " -> ".join(part.name for part in (map.key, map.value) if part is not None)
        kind = name_of("BPF_MAP_TYPE_", map.type)
        yield map.name, kind, map.key_size, map.value_size, map.max_entries, layout


def _record(record: Struct) -> str:
    rows = ((leaf.offset, leaf.layout.size, leaf.layout.name, leaf.name) for leaf in record.leaves())
    return f"{record.name}: {record.size} bytes\n{table(('OFFSET', 'SIZE', 'TYPE', 'MEMBER'), rows)}"


def program_table(spec: ObjectSpec) -> str:
    """All programs, sorted by name: type, how and where attached, and how many instructions.

    The 16-byte load counts as two instructions, as it does for the kernel.
    """
    header = ("NAME", "TYPE", "ATTACH", "FUNCTIONS", "INSNS")
    programs = sorted(spec.programs, key=lambda program: program.name)
    return table(header, (_program_row(program) for program in programs))


def _program_row(program: ProgramSpec) -> tuple[object, ...]:
    kind = name_of("BPF_PROG_TYPE_", program.type)
    *_, last = program.code
    size = slot_indices(statement.insn for statement in program.code)[-1] + last.insn.slots
    return program.name, kind, program.attach.kind, _functions(program.attach), size


def describe_attach(attach: Attach) -> str:
    """How and where, in one line: `kprobe on nfs_file_open, nfs4_file_open (where it exists)`."""
    return f"{attach.kind} on {_functions(attach)}" if attach.functions else attach.kind


def _functions(attach: Attach) -> str:
    return ", ".join(
        " or ".join(function.names) + (" (where it exists)" if function.optional else "")
        for function in attach.functions
    )
