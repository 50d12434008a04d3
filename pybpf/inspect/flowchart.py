"""The map interactions of an object as a mermaid flowchart."""

from __future__ import annotations

from pybpf.inspect.interactions import interactions, shown_maps
from pybpf.spec import ObjectSpec

__all__ = ["flowchart"]


def flowchart(spec: ObjectSpec) -> str:
    """Maps sorted by name; then each program (sorted) with an arrow to each map, in the order of first use.

    All that a program does to one map stands on one arrow, joined with `+`.
    """
    arrows: dict[str, dict[str, list[str]]] = {program.name: {} for program in spec.programs}
    for program, map, operation in interactions(spec):
        arrows[program].setdefault(map, []).append(operation)
    lines = ["flowchart LR"]
    lines += [f'{name}[("{name}")]' for name in sorted(shown_maps(spec))]
    for program, maps in sorted(arrows.items()):
        lines += [f'{program} -- "{"+".join(operations)}" --> {map}' for map, operations in maps.items()]
        lines.append(f'{program}["{program}"]')
    return "\n".join(lines) + "\n"
