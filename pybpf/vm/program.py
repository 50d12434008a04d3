"""A program of the machine: translated at its first run, and run as often as wanted."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from types import CodeType, TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from pybpf.asm import format_statement
from pybpf.isa import Instruction
from pybpf.vm.arithmetic import FUNCTIONS
from pybpf.vm.code import CODE, Code
from pybpf.vm.context import DIRECT
from pybpf.vm.errors import Fault, VmError
from pybpf.vm.flow import FRAME, analyse
from pybpf.vm.helpers.table import arity
from pybpf.vm.translate import Source, translate

if TYPE_CHECKING:
    from pybpf.vm.machine import Machine

__all__ = ["Function", "Program"]

# A translated function: five registers in, r0 out.
Function = Callable[..., int]


class Program:
    """One program in one machine. `name` is for messages, `kind` how it is attached, `arguments` how many
    registers it starts with; `strict` refuses what the verifier does, though it has a meaning."""

    def __init__(
        self,
        machine: Machine,
        name: str,
        code: Code,
        *,
        kind: str = "",
        arguments: int = 1,
        strict: bool = True,
    ) -> None:
        self.name = name
        self.kind = kind
        self.code = code
        self._machine = machine
        self._arguments = arguments
        self._strict = strict
        self._source: Source | None = None
        self._namespace: dict[str, Any] = {}

    def translation(self) -> Source:
        """The generated Python, made at the first call."""
        if self._source is None:
            self._source, code = _translated(
                self.name, self.code.slots, self.code.entries, self._arguments, self._strict
            )
            self._namespace = _namespace(self, self._machine)
            exec(code, self._namespace)
        return self._source

    def function(self, address: int) -> Function:
        """The translated function at `address`: `CODE` is the program's own, others are callbacks."""
        self.translation()
        slot = (address - CODE) // 8
        if address % 8 or slot not in self.code.entries:
            raise Fault(f"{address:#x} is the address of no function")
        found: Function = self._namespace[f"f{slot}"]
        return found

    def main(self) -> Function:
        """The translated program, to tail-call it."""
        return self.function(CODE)

    def run(self, *arguments: int, function: int = CODE) -> int:
        """Run it, or one of its functions, with r1 and on as given; r0, unsigned. Raises `VmError`."""
        try:
            return self.function(function)(*arguments, *[None] * (5 - len(arguments)))
        except Fault as fault:
            raise _explain(fault) from None

    def text(self, slot: int) -> str:
        """The instruction at `slot`, as assembly."""
        return format_statement(self.code.statements[slot])

    def error(self, reason: str, slot: int | None = None, registers: dict[str, int] | None = None) -> VmError:
        """The error of the instruction at `slot`; of the last one when it isn't known."""
        slot = len(self.code.slots) - 1 if slot is None else slot
        location = self.code.statements[slot].location
        return VmError(self.name, reason, slot, self.text(slot), registers or {}, location)


@lru_cache(maxsize=1000)
def _translated(
    name: str, slots: tuple[Instruction | None, ...], entries: tuple[int, ...], arguments: int, strict: bool
) -> tuple[Source, CodeType]:
    """The generated Python, as text and compiled: many machines may run the same program."""
    functions = []
    for entry, end in zip(entries, (*entries[1:], len(slots))):
        known = 1 << 10 | ((1 << arguments + 1) - 2 if entry == 0 else 0)
        functions.append(analyse(slots, entry, end, known, arity))
    source = translate(slots, functions, arity, strict=strict)
    return source, compile(source.text, f"<bpf {name}>", "exec")


def _explain(fault: Fault) -> Exception:
    """The error of a fault: the innermost generated line is the instruction, its locals the registers."""
    found: Exception = fault
    trace: TracebackType | None = fault.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        program = frame.f_globals.get("program")
        if isinstance(program, Program):
            values = {f"r{number}": frame.f_locals.get(f"r{number}") for number in range(11)}
            registers = {name: value for name, value in values.items() if value is not None}
            found = program.error(str(fault), program.translation().slots[trace.tb_lineno], registers)
        trace = trace.tb_next
    return found


def _namespace(program: Program, machine: Machine) -> dict[str, Any]:
    """The global names of the generated code."""
    memory = machine.memory
    found: dict[str, Any] = {
        **FUNCTIONS,
        "program": program,
        "machine": machine,
        "enter": machine.enter,
        "leave": machine.leave,
        "packet": machine.packet_load,
        "helper": machine.helpers.by_id,
        "kernel_function": machine.kernel_functions.by_number,
        "uninitialised": _uninitialised,
        "unwritten": _unwritten,
        "overrun": _overrun,
        "refused": _refused,
        "stray": _stray,
        "out_of_steps": machine.out_of_steps,
    }
    for size in (1, 2, 4, 8):
        found[f"load{size}"] = memory.loader(size, or_zero=program.kind in DIRECT)
        found[f"store{size}"] = memory.storer(size)
    return found


def _uninitialised(register: int) -> NoReturn:
    raise Fault(f"r{register} is not initialised")


def _unwritten(offset: int, size: int) -> NoReturn:
    raise Fault(f"{size} bytes at r10{offset:+} are not all initialised")


def _overrun(offset: int, size: int) -> NoReturn:
    raise Fault(f"{size} bytes at r10{offset:+}: outside the stack frame of {FRAME} bytes")


def _refused(what: str) -> NoReturn:
    raise Fault(f"{what}: the verifier refuses it")


def _stray(address: int) -> NoReturn:
    raise Fault(f"{address:#x} is the address of no instruction in this function")
