"""The map interactions of an object as a mermaid sequence diagram."""

from __future__ import annotations

from pybpf.inspect.interactions import interactions
from pybpf.spec import ObjectSpec

__all__ = ["sequence"]


def sequence(spec: ObjectSpec) -> str:
    """Programs sorted by name, maps in the order of first use, and what each program does, in order."""
    found = interactions(spec)
    lines = ["sequenceDiagram", "box eBPF Programs"]
    lines += [f"participant {name}" for name in sorted(program.name for program in spec.programs)]
    lines += ["end", "box eBPF Maps"]
    lines += [f"participant {name}" for name in dict.fromkeys(step.map for step in found)]
    lines.append("end")
    lines += [f"{step.program}->>{step.map}: {step.operation}" for step in found]
    return "\n".join(lines) + "\n"
