"""Text to statements: our own, llvm's and the kernel's.

One instruction a line. `name:` is a label; `;`, `//` and, at the start of a line or after a space, `#` begin
a comment. What other tools put around an instruction is understood: its position (`12:`), its opcode (`(b7)`,
of bpftool and the verifier) or its bytes (llvm-objdump), which decide where the text alone is ambiguous; the
symbol behind a jump (`<LBB0_2>`); a function's heading (`0000000000000000 <prog>:`, `int prog(void *ctx):`).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pybpf.asm.grammar import Form, forms
from pybpf.asm.helpers import helper_name
from pybpf.asm.lexer import Token, tokenize
from pybpf.asm.operands import Callee, Operands, read_operands
from pybpf.asm.printer import format_instruction
from pybpf.asm.statement import Statement, SubprogramRef
from pybpf.errors import AsmError, near
from pybpf.isa import Instruction, Undecoded, decode_lenient
from pybpf.isa.opcodes import BPF_PSEUDO_CALL
from pybpf.source import Location
from pybpf.uapi.helpers import HELPERS

__all__ = ["ASSEMBLY", "parse"]

# The file that locations name when the text came from none.
ASSEMBLY = "<assembly>"

_COMMENT = re.compile(r";|//|(?:^|(?<=\s))#")
_HEADING = re.compile(
    r"\s*(?:[0-9a-f]{8,16}\s+<([\w.$]+)>|[A-Za-z_][\w\s*]*?[\s*]([\w.$]+)\([^:;=()]*\)):\s*$", re.ASCII
)
_OBJDUMP = re.compile(r"\s*(?:Disassembly of section .*:|\S+:\s+file format \S+)\s*$", re.ASCII)
_LABEL = re.compile(r"\s*([0-9]*[A-Za-z_.$][\w.$]*)\s*:", re.ASCII)
_PREFIX = re.compile(
    # The position, and the arrows that `pybpf disasm` draws.
    r"(?:\s*[0-9]+:(?=\s)[\s│┌└├┬┴┼─╶|/\\+>-]*)?"
    r"(?:\s*\((?P<opcode>[0-9a-f]{2})\)|\s*(?P<code>[0-9a-f]{2}(?: [0-9a-f]{2}){7,15})(?=\s))?",
    re.ASCII,
)
# `bpftool prog dump xlated opcodes` repeats an instruction as bytes, on the line below it.
_BYTES = re.compile(r"\s*[0-9a-f]{2}(?: [0-9a-f]{2}){7}(?:(?: [0-9a-f]{2}){8})?\s*", re.ASCII)
_SYMBOL = re.compile(r"\s*<[\w.$]+(?:\+0x[0-9a-f]+)?>\s*$", re.ASCII)


class _Call(NamedTuple):
    # A call by name: which statement, and its line.
    place: int
    callee: Callee
    line: int


def parse(text: str, file: str = ASSEMBLY) -> list[Statement]:
    """The statements of a text, with symbols; each knows its line.

    `call name` calls the function at label `name` if there is one, else the helper. Raises `AsmError`.
    """
    lines = text.split("\n")
    statements: list[Statement] = []
    labels: dict[str, int] = {}
    waiting: list[str] = []
    calls: list[_Call] = []
    for number, line in enumerate(lines, 1):
        if statements and _BYTES.fullmatch(line):
            continue
        try:
            names, start = _labels(line)
            for name in names:
                if name in labels:
                    raise AsmError(
                        f"label {name!r} stands at line {labels[name]} already", 0, line.find(name) + 1
                    )
                labels[name] = number
            waiting += names
            found = _instruction(line, start)
        except AsmError as error:
            raise _placed(error, number, line) from None
        if found is None:
            continue
        operands, column = found
        if operands.callee is not None:
            calls.append(_Call(len(statements), operands.callee, number))
        place = Location(file, number, column)
        statements.append(Statement(operands.instruction(), operands.ref, tuple(waiting), place))
        waiting = []
    if waiting:
        number = labels[waiting[-1]]
        column = lines[number - 1].find(waiting[-1]) + 1
        raise _placed(
            AsmError(f"no instruction follows label {waiting[-1]!r}", 0, column), number, lines[number - 1]
        )
    for index, callee, number in calls:
        try:
            statements[index] = _called(statements[index], callee, labels)
        except AsmError as error:
            raise _placed(error, number, lines[number - 1]) from None
    return statements


def _placed(error: AsmError, number: int, line: str) -> AsmError:
    # A tab is one column, so the caret stands right only below a space.
    return AsmError(error.message, number, error.column, line.replace("\t", " ").rstrip())


def _labels(line: str) -> tuple[list[str], int]:
    # The labels at the start of a line, and where the rest begins.
    heading = _HEADING.match(line)
    if heading:
        return [heading[1] or heading[2]], len(line)
    if _OBJDUMP.match(line):
        return [], len(line)
    names, start = [], 0
    label = _LABEL.match(line)
    while label:
        if re.fullmatch(r"[rw]\d+", label[1]):
            raise AsmError(f"a label can't have the name of a register: {label[1]!r}", 0, label.start(1) + 1)
        names.append(label[1])
        start = label.end()
        label = _LABEL.match(line, start)
    return names, start


def _instruction(line: str, start: int) -> tuple[Operands, int] | None:
    # What the rest of the line says, and in which column that begins.
    comment = _COMMENT.search(line, start)
    end = comment.start() if comment else len(line)
    prefix = _PREFIX.match(line, start, end)
    start = prefix.end() if prefix else start
    opcode = int(prefix["opcode"], 16) if prefix and prefix["opcode"] else None
    code = bytes.fromhex(prefix["code"]) if prefix and prefix["code"] else b""
    symbol = _SYMBOL.search(line, start, end)
    end = symbol.start() if symbol else end
    tokens = tokenize(line[start:end], start + 1)
    if symbol and not tokens:
        # llvm-objdump's `<unknown>`, for an instruction of a later ISA version than it was told.
        tokens = tokenize(format_instruction(_decoded(code, symbol.end())), start + 1)
    if not tokens:
        if opcode is not None or code:
            raise AsmError("the line ends here, expected an instruction", 0, end + 1)
        return None
    found = forms(tokens, end + 1)
    if code:
        operands = _by_code(found, tokens, code)
    elif opcode is not None:
        found = [form for form in found if form.op.opcode == opcode]
        if not found:
            raise AsmError(f"this is no instruction of opcode ({opcode:02x})", 0, tokens[0].column)
        operands = read_operands(found[0], tokens)
    else:
        operands = read_operands(found[0], tokens)
        if comment and comment[0] == ";":
            _no_second_instruction(line, comment.end())
    return operands, tokens[0].column


def _by_code(found: list[Form], tokens: list[Token], code: bytes) -> Operands:
    # The bytes say which form it is, and must agree with it.
    insn = _decoded(code, tokens[0].column)
    for form in found:
        if form.op.opcode == insn.opcode and form.op.src in (None, insn.src):
            operands = read_operands(form, tokens)
            if operands.ref is not None or operands.callee is not None or operands.instruction() == insn:
                return operands
    raise AsmError(f"the bytes before this say {format_instruction(insn)!r}", 0, tokens[0].column)


def _decoded(code: bytes, column: int) -> Instruction:
    insn = next(iter(decode_lenient(code)), Undecoded(b"", "there are none"))
    if isinstance(insn, Undecoded):
        raise AsmError(f"the bytes before this are no instruction: {insn.reason}", 0, column)
    return insn


def _no_second_instruction(line: str, start: int) -> None:
    # In C's inline assembly `;` ends an instruction: what follows must not get lost.
    text = line[start:].partition(";")[0]
    try:
        tokens = tokenize(text, start + 1)
        forms(tokens, 0)
    except AsmError:
        return
    raise AsmError("';' begins a comment: write one instruction a line", 0, start)


def _called(statement: Statement, callee: Callee, labels: dict[str, int]) -> Statement:
    name, column, number = callee
    insn = statement.insn
    if number is None:
        if name in labels:
            return statement._replace(insn=insn._replace(src=BPF_PSEUDO_CALL), ref=SubprogramRef(name))
        if name not in HELPERS:
            raise AsmError(f"no helper and no label {name!r}{near(name, [*labels, *HELPERS])}", 0, column)
    elif name not in HELPERS:
        # A kernel function that the verifier put in a helper's place, as bpftool names it.
        if name != "unknown" and helper_name(number) != "unknown":
            raise AsmError(f"helper {number} is {helper_name(number)!r}, not {name!r}", 0, column)
        return statement
    elif number != HELPERS[name] and helper_name(number) != "unknown":
        raise AsmError(f"{name!r} is helper {HELPERS[name]}, not {number}", 0, column)
    # Of a loaded program bpftool shows an address in place of the number.
    return statement._replace(insn=insn._replace(imm=HELPERS[name]))
