"""Text to bytes and back: the public way in."""

from __future__ import annotations

from pybpf.asm.link import Resolver, resolve
from pybpf.asm.printer import format_instruction
from pybpf.asm.reader import parse
from pybpf.asm.statement import Statement
from pybpf.errors import AsmError, EncodingError
from pybpf.isa import Instruction, Undecoded, check_targets, decode, decode_lenient, encode, slot_indices

__all__ = ["assemble", "disassemble"]


def assemble(text: str, map_fds: Resolver | None = None, kernel_functions: Resolver | None = None) -> bytes:
    """The bytes of a whole program: one or more functions, one instruction a line.

    `map_fds` and `kernel_functions` give the numbers of names, as for `link`. Raises `AsmError`, which shows
    the line.
    """
    statements = parse(text)
    try:
        instructions = resolve(statements, map_fds, kernel_functions)
        check_targets(instructions)
        return encode(instructions)
    except EncodingError as error:
        starts = slot_indices(statement.insn for statement in statements)
        statement = statements[starts.index(error.index or 0)]
        raise _shown(str(error), statement, text) from None
    except AsmError as error:
        statement = next(each for each in statements if each.location and each.location.line == error.line)
        raise _shown(error.message, statement, text) from None


def _shown(message: str, statement: Statement, text: str) -> AsmError:
    # The caret stands below the name that is wrong, if there is one, else below the instruction.
    place = statement.location
    assert place is not None
    line = text.split("\n")[place.line - 1].replace("\t", " ").rstrip()
    at = line.find(statement.ref.name, place.column) if statement.ref else -1
    return AsmError(message, place.line, at + 1 if at >= 0 else place.column, line)


def disassemble(code: bytes, lenient: bool = False) -> str:
    """The text of a program, one instruction a line; `assemble` gives the same bytes for it.

    Raises `EncodingError` for bytes that are no program, unless `lenient`: then what is no instruction is
    printed as `.byte` with the reason in a comment.
    """
    items = decode_lenient(code) if lenient else decode(code)
    return "".join(f"{_line(item)}\n" for item in items)


def _line(item: Instruction | Undecoded) -> str:
    if isinstance(item, Undecoded):
        return f".byte {', '.join(f'{byte:#04x}' for byte in item.raw)} ; {item.reason}"
    return format_instruction(item)
