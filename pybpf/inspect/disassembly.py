"""A program's instructions as people and machines read them: arrows along jumps, source lines above."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

from pybpf.asm import LabelRef, Statement, SubprogramRef, format_statement
from pybpf.inspect.arrows import gutters
from pybpf.isa import Undecoded, check, distance, encode, find, slot_indices
from pybpf.isa.opcodes import BPF_CALL, BPF_JMP, LDDW
from pybpf.source import Location

__all__ = ["Disassembly", "as_json", "render"]

# Colours of a terminal (ECMA-48): headings bold, source lines and arrows dim.
_BOLD, _DIM, _PLAIN = "\033[1m", "\033[2m", "\033[0m"


_CALL = BPF_JMP | BPF_CALL


class Disassembly(NamedTuple):
    """Code with its names: `title` says what it is; `texts` are source lines by file and line number."""

    name: str
    title: str
    code: tuple[Statement | Undecoded, ...]
    texts: Mapping[tuple[str, int], str] = {}

    def text_of(self, location: Location) -> str:
        """The source line of a place, without what is around it."""
        return (self.texts.get(location[:2]) or location.text).strip()


def render(program: Disassembly, color: bool = False) -> str:
    """The whole text; `pybpf.asm.parse` reads it back."""
    bold, dim, plain = (_BOLD, _DIM, _PLAIN) if color else ("", "", "")
    lines = [f"{bold}; {program.title}{plain}"]
    above: Location | None = None
    indices = slot_indices(_slots(item) for item in program.code)
    for index, item, gutter in zip(indices, program.code, _gutters(program, indices)):
        if isinstance(item, Undecoded):
            data = ", ".join(f"{byte:#04x}" for byte in item.raw)
            lines.append(f"{index:5}: {dim}{gutter}{plain}.byte {data} ; {item.reason}")
            continue
        lines += [f"{bold}{label}:{plain}" for label in item.labels]
        if item.location is not None and (above is None or item.location[:2] != above[:2]):
            place = f"{PurePath(item.location.file).name}:{item.location.line}"
            lines.append(f"{dim}; {place}: {program.text_of(item.location)}{plain}")
        above = item.location or above
        lines.append(f"{index:5}: {dim}{gutter}{plain}{format_statement(item)}")
    return "\n".join(lines) + "\n"


def as_json(program: Disassembly) -> dict[str, Any]:
    """The same as plain data: an object for each instruction, with its fields, text and source line."""
    indices = slot_indices(_slots(item) for item in program.code)
    targets = _targets(program, indices)
    instructions: list[dict[str, Any]] = []
    for position, (index, item) in enumerate(zip(indices, program.code)):
        if isinstance(item, Undecoded):
            instructions.append({"index": index, "bytes": item.raw.hex(), "error": item.reason})
            continue
        op = check(item.insn)
        insn = item.insn
        if position in targets:
            away = indices[targets[position]] - index - 1
            insn = insn._replace(**{op.target: away & 0xFFFF_FFFF if insn.opcode == LDDW else away})
        entry = {"index": index, "bytes": encode([insn]).hex(), "text": format_statement(item)}
        entry.update({"name": op.name, **insn._asdict()})
        if item.labels:
            entry["labels"] = list(item.labels)
        if position in targets:
            entry["target"] = indices[targets[position]]
        if item.location is not None:
            source = item.location
            entry["source"] = {
                "file": source.file,
                "line": source.line,
                "column": source.column,
                "text": program.text_of(source),
            }
        instructions.append(entry)
    return {"name": program.name, "title": program.title, "instructions": instructions}


def _slots(item: Statement | Undecoded) -> Any:
    return item.insn if isinstance(item, Statement) else item


def _gutters(program: Disassembly, indices: list[int]) -> list[str]:
    targets = _targets(program, indices)
    jumps = [
        (position, target)
        for position, target in targets.items()
        if _slots(program.code[position]).opcode not in (_CALL, LDDW)
    ]
    return gutters(jumps, len(indices))


def _targets(program: Disassembly, indices: list[int]) -> dict[int, int]:
    # The positions of jumps, calls and function addresses, and those that they go to.
    labels = {
        label: position
        for position, item in enumerate(program.code)
        if isinstance(item, Statement)
        for label in item.labels
    }
    positions = {index: position for position, index in enumerate(indices)}
    targets = {}
    for position, item in enumerate(program.code):
        op = find(item.insn) if isinstance(item, Statement) else None
        if isinstance(item, Undecoded) or op is None or not op.target:
            continue
        if isinstance(item.ref, (LabelRef, SubprogramRef)):
            target = labels.get(item.ref.name)
        else:
            target = positions.get(indices[position] + 1 + distance(item.insn, op))
        if target is not None:
            targets[position] = target
    return targets
