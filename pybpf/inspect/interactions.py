"""Which program does what to which map, found by following map references through the instructions.

What may be in a register or a stack slot is a set: of maps, of records reserved in a map, of places on the
stack, of functions. Where two ways meet, the sets are united, so that an interaction on any way is found.
What is not followed: references through the values of maps, and through the caller's stack.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pybpf.asm import MapRef, Statement
from pybpf.asm.helpers import helper_id
from pybpf.inspect.control_flow import Code
from pybpf.isa.opcodes import (
    BPF_ADD,
    BPF_ALU,
    BPF_ALU64,
    BPF_ATOMIC,
    BPF_CALL,
    BPF_CMPXCHG,
    BPF_DW,
    BPF_FETCH,
    BPF_JMP,
    BPF_LD,
    BPF_LDX,
    BPF_MEM,
    BPF_MOV,
    BPF_ST,
    BPF_STX,
    BPF_X,
)
from pybpf.spec import ObjectSpec, ProgramSpec

__all__ = ["Interaction", "interactions", "shown_maps"]


class Interaction(NamedTuple):
    """A program does `operation` (`Lookup`, `Update`, `Delete`, `EventOutput`, …) to a map."""

    program: str
    map: str
    operation: str


class _Thing(NamedTuple):
    kind: str  # "map", "record" (reserved in the map of that name), "stack", "function"
    name: str = ""  # of the map
    number: int = 0  # the offset from r10; where the function begins


_Value = frozenset[_Thing]
_UNKNOWN: _Value = frozenset()

# Helper -> the operation, and the register that says which map: itself ("map") or a record in it.
_OPERATIONS = {
    helper_id(name): (operation, register, kind)
    for name, operation, register, kind in (
        ("map_lookup_elem", "Lookup", 1, "map"),
        ("map_lookup_percpu_elem", "Lookup", 1, "map"),
        ("map_update_elem", "Update", 1, "map"),
        ("map_delete_elem", "Delete", 1, "map"),
        ("map_push_elem", "Push", 1, "map"),
        ("map_pop_elem", "Pop", 1, "map"),
        ("map_peek_elem", "Peek", 1, "map"),
        ("for_each_map_elem", "Iterate", 1, "map"),
        ("ringbuf_output", "EventOutput", 1, "map"),
        ("ringbuf_submit", "EventOutput", 1, "record"),
        ("perf_event_output", "EventOutput", 2, "map"),
        ("skb_output", "EventOutput", 2, "map"),
        ("xdp_output", "EventOutput", 2, "map"),
        ("perf_event_read", "Read", 1, "map"),
        ("perf_event_read_value", "Read", 1, "map"),
        ("get_stackid", "StackTrace", 2, "map"),
        ("tail_call", "TailCall", 2, "map"),
        ("redirect_map", "Redirect", 1, "map"),
        ("sk_storage_get", "Storage", 1, "map"),
        ("inode_storage_get", "Storage", 1, "map"),
        ("task_storage_get", "Storage", 1, "map"),
        ("cgrp_storage_get", "Storage", 1, "map"),
        ("sk_storage_delete", "Delete", 1, "map"),
        ("inode_storage_delete", "Delete", 1, "map"),
        ("task_storage_delete", "Delete", 1, "map"),
        ("cgrp_storage_delete", "Delete", 1, "map"),
    )
}


_RESERVE = helper_id("ringbuf_reserve")
_CALL = BPF_JMP | BPF_CALL
_LOAD64 = BPF_LDX | BPF_MEM | BPF_DW
_STORE64 = BPF_STX | BPF_MEM | BPF_DW
_MOVE64 = BPF_ALU64 | BPF_MOV | BPF_X


class _State:
    """What registers r0-r10 and the stack's slots (by offset from r10) may hold."""

    __slots__ = ("registers", "stack")

    def __init__(self, registers: list[_Value], stack: dict[int, _Value]) -> None:
        self.registers = registers
        self.stack = stack

    def copy(self) -> _State:
        return _State(list(self.registers), dict(self.stack))

    def join(self, other: _State) -> bool:
        """Take in what `other` may hold; tell whether that was news."""
        news = False
        for number, value in enumerate(other.registers):
            if not value <= self.registers[number]:
                self.registers[number] |= value
                news = True
        for slot, value in other.stack.items():
            known = self.stack.get(slot, _UNKNOWN)
            if not value <= known:
                self.stack[slot] = known | value
                news = True
        return news

    def slots(self, register: int, offset: int) -> list[int]:
        """The stack slots (multiples of 8) that `offset` bytes from a register may be."""
        return [(thing.number + offset) & -8 for thing in self.registers[register] if thing.kind == "stack"]

    def store(self, register: int, offset: int, value: _Value) -> None:
        slots = self.slots(register, offset)
        for slot in slots:
            self.stack[slot] = value if len(slots) == 1 else self.stack.get(slot, _UNKNOWN) | value


_Found = list[tuple[str, str]]  # (map, operation), in order


class _Walk:
    """One program. A function is walked once for each set of arguments that it is called with."""

    def __init__(self, code: Code) -> None:
        self.code = code
        self.results: dict[tuple[int, tuple[_Value, ...]], tuple[_Found, _Value]] = {}

    def function(self, entry: int, arguments: tuple[_Value, ...]) -> tuple[_Found, _Value]:
        """What the function at `entry` does, and what it may return."""
        key = entry, arguments
        if key not in self.results:
            self.results[key] = [], _UNKNOWN  # the answer to itself, should it be recursive
            self.results[key] = self._flow(entry, arguments)
        return self.results[key]

    def _flow(self, entry: int, arguments: tuple[_Value, ...]) -> tuple[_Found, _Value]:
        registers = [_UNKNOWN, *arguments, *[_UNKNOWN] * 4, frozenset({_Thing("stack")})]
        states = {entry: _State(registers, {})}
        found: dict[int, _Found] = {}
        returned = _UNKNOWN
        waiting = [entry]
        while waiting:
            position = waiting.pop()
            state = states[position].copy()
            found[position] = self._step(position, state)
            following = self.code.successors(position)
            if not following:
                returned |= state.registers[0]
            for target in following:
                if target not in states:
                    states[target] = state.copy()
                elif not states[target].join(state):
                    continue
                waiting.append(target)
        ordered = [pair for position in sorted(found) for pair in found[position]]
        return ordered, _maps_of(returned)

    def _step(self, position: int, state: _State) -> _Found:
        """Change `state` as the statement does; what it does to maps."""
        statement = self.code.statements[position]
        insn = statement.insn
        registers = state.registers
        kind = insn.opcode & 7
        if insn.opcode == _CALL:
            return self._call(position, state)
        if kind == BPF_LD:
            registers[insn.dst] = self._immediate(position, statement)
        elif kind == BPF_LDX:
            slots = state.slots(insn.src, insn.offset) if insn.opcode == _LOAD64 else []
            registers[insn.dst] = _UNKNOWN.union(*(state.stack.get(slot, _UNKNOWN) for slot in slots))
        elif insn.opcode == _STORE64:
            state.store(insn.dst, insn.offset, registers[insn.src])
        elif kind in (BPF_ST, BPF_STX):
            state.store(insn.dst, insn.offset, _UNKNOWN)
            if insn.opcode & 0xE0 == BPF_ATOMIC and insn.imm & BPF_FETCH:
                registers[0 if insn.imm == BPF_CMPXCHG else insn.src] = _UNKNOWN
        elif insn.opcode == _MOVE64 and not insn.offset:  # an offset: sign extension
            registers[insn.dst] = registers[insn.src]
        elif insn.opcode == BPF_ALU64 | BPF_ADD:
            registers[insn.dst] = _moved(registers[insn.dst], insn.imm)
        elif kind in (BPF_ALU, BPF_ALU64):
            registers[insn.dst] = _UNKNOWN
        return []

    def _immediate(self, position: int, statement: Statement) -> _Value:
        if isinstance(statement.ref, MapRef):
            return frozenset({_Thing("map", statement.ref.name)})
        entry = self.code.subprogram(position)
        return _UNKNOWN if entry is None else frozenset({_Thing("function", number=entry)})

    def _call(self, position: int, state: _State) -> _Found:
        insn = self.code.statements[position].insn
        registers = state.registers
        found: _Found = []
        result = _UNKNOWN
        entry = self.code.subprogram(position)
        if entry is not None:
            found, result = self.function(entry, tuple(_maps_of(value) for value in registers[1:6]))
        elif insn.src == 0:
            if insn.imm in _OPERATIONS:
                operation, register, kind = _OPERATIONS[insn.imm]
                found = [(name, operation) for name in _names(registers[register], kind)]
            if insn.imm == _RESERVE:
                result = frozenset(_Thing("record", name) for name in _names(registers[1], "map"))
            # A callback's first argument is the map of bpf_for_each_map_elem, the index of bpf_loop.
            for thing in frozenset().union(*registers[2:6]):
                if thing.kind == "function":
                    arguments = (_maps_of(registers[1]), *[_UNKNOWN] * 4)
                    found = found + self.function(thing.number, arguments)[0]
        registers[:6] = [result, *[_UNKNOWN] * 5]
        return found


def _names(value: _Value, kind: str) -> list[str]:
    return sorted(thing.name for thing in value if thing.kind == kind)


def _maps_of(value: _Value) -> _Value:
    # Places on the stack mean nothing in another function's frame.
    return frozenset(thing for thing in value if thing.kind != "stack")


def _moved(value: _Value, distance: int) -> _Value:
    # Beyond the 512 bytes of the stack no pointer is followed: so the sets stay finite in a loop.
    return frozenset(
        thing._replace(number=thing.number + distance)
        for thing in value
        if thing.kind == "stack" and -512 <= thing.number + distance <= 0
    )


def shown_maps(spec: ObjectSpec) -> list[str]:
    """The names of the maps that people know of: not `.rodata` and the like."""
    return [map.name for map in spec.maps if not map.name.startswith(".")]


def _of_program(program: ProgramSpec) -> Iterator[Interaction]:
    found, _ = _Walk(Code(program.code)).function(0, (_UNKNOWN,) * 5)
    for map, operation in found:
        yield Interaction(program.name, map, operation)


def interactions(spec: ObjectSpec) -> list[Interaction]:
    """All interactions, by program (sorted by name), then in the order of the code, each one once.

    Maps whose name begins with a dot are left out.
    """
    shown = set(shown_maps(spec))
    programs = sorted(spec.programs, key=lambda program: program.name)
    found = (pair for program in programs for pair in _of_program(program) if pair.map in shown)
    return list(dict.fromkeys(found))
