"""What goes wrong in the machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pybpf.errors import BpfError

if TYPE_CHECKING:
    from pybpf.source import Location

__all__ = ["Fault", "VmError"]


class Fault(BpfError, RuntimeError):
    """What went wrong, raised where neither the instruction nor the registers are known.

    Helpers that a test writes may raise it too: the machine turns it into a `VmError`.
    """


class VmError(BpfError, RuntimeError):
    """A program did what no verified program can do, or ran for too long.

    `.program` its name, `.reason` what was wrong, `.index` the instruction in units of 8 bytes and
    `.instruction` its text, `.location` the Python line it comes from (None when unknown), `.registers`
    the registers before it (those that hold a value).
    """

    def __init__(
        self,
        program: str,
        reason: str,
        index: int,
        instruction: str,
        registers: Mapping[str, int],
        location: Location | None = None,
    ) -> None:
        text = f"{program}: instruction {index}: {instruction}: {reason}"
        if location is not None:
            snippet = location.snippet()
            text = f"{location}: {text}" + (f"\n{snippet}" if snippet else "")
        names = list(registers)
        for first in range(0, len(names), 4):
            text += "\n    " + " ".join(f"{name}={registers[name]:#x}" for name in names[first : first + 4])
        super().__init__(text)
        self.program = program
        self.reason = reason
        self.index = index
        self.instruction = instruction
        self.registers = dict(registers)
        self.location = location
