"""`pybpf asm`: a text of instructions to bytes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from pybpf.asm import assemble, format_instruction
from pybpf.cli.arguments import Parser
from pybpf.cli.files import write
from pybpf.errors import AsmError, UsageError
from pybpf.isa import decode, encode, slot_indices

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser, words: Sequence[str]) -> None:
    parser.add_argument("file", metavar="FILE", help="the text; `-` is standard input")
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        help="write the bytes there; without it to standard output, if that is"
        " no terminal: there they are shown beside the text",
    )
    parser.add_argument(
        "--map", metavar="NAME=FD", action="append", default=[], help="the descriptor of a map in the text"
    )
    parser.add_argument(
        "--kernel-function",
        metavar="NAME=ID",
        action="append",
        default=[],
        help="the BTF id of a kernel function in the text",
    )


def run(args: argparse.Namespace) -> int:
    data = sys.stdin.buffer.read() if args.file == "-" else Path(args.file).read_bytes()
    # What is no UTF-8 is either in a comment or an error, which the assembler places.
    text = data.decode("utf-8", "replace")
    try:
        code = assemble(text, _numbers(args.map), _numbers(args.kernel_function))
    except AsmError as error:
        place = f"{args.file}:{error.line}:{error.column}"
        caret = f"    {error.text}\n    {' ' * (error.column - 1)}^"
        raise AsmError(f"{place}: {error.message}\n{caret}") from None
    if args.output is not None:
        write(args.output, code)
    elif sys.stdout.isatty():
        sys.stdout.write(_table(code))
    else:
        sys.stdout.buffer.write(code)
    return 0


def _numbers(pairs: Iterable[str]) -> dict[str, int]:
    numbers = {}
    for pair in pairs:
        name, _, number = pair.partition("=")
        if not name or not number.isdecimal():
            raise UsageError(f"{pair!r} is not of the form NAME=NUMBER")
        numbers[name] = int(number)
    return numbers


def _table(code: bytes) -> str:
    instructions = decode(code)
    rows = zip(slot_indices(instructions), instructions)
    return "".join(
        f"{index:5}: {encode([insn]).hex(' ')}\t{format_instruction(insn)}\n" for index, insn in rows
    )
