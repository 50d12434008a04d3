"""`pybpf disasm`: the instructions of a program, a file, or what is loaded in the kernel."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from pybpf.asm import Statement
from pybpf.cli.arguments import Parser, choice
from pybpf.errors import EncodingError, UsageError
from pybpf.inspect.disassembly import Disassembly, as_json, render
from pybpf.isa import Undecoded, check_targets, decode_lenient
from pybpf.sys import Fd

__all__ = ["add_arguments", "run"]

_LIVE = ("id", "name", "tag", "pinned")
# For an output that has no letters for the arrows.
_ASCII = str.maketrans("│┌└├┬┴┼─╶", "|/\\|++|--")


def add_arguments(parser: Parser, words: Sequence[str]) -> None:
    parser.usage = f"{parser.prog} PROGRAM | FILE | id N | name NAME | tag TAG | pinned PATH [options]"
    parser.add_argument(
        "what",
        metavar="WHAT",
        nargs="+",
        help="a program by name or file; an object file; a file of instructions (`-`: standard input);"
        " or a loaded program by its id, name, tag, or the path where it is pinned",
    )
    parser.add_argument(
        "--target",
        metavar="WHICH",
        type=choice("portable", "host"),
        default="portable",
        help="of a program: lowered for any kernel, or for this host's (default: portable)",
    )
    parser.add_argument(
        "--lenient", action="store_true", help="show what is no instruction as bytes, and go on"
    )
    parser.add_argument(
        "-o", "--output", metavar="FORMAT", type=choice("text", "json"), default="text", help="text, json"
    )
    parser.add_argument(
        "--color",
        metavar="WHEN",
        type=choice("auto", "always", "never"),
        default="auto",
        help="auto (on a terminal, unless NO_COLOR is set), always, never (default: auto)",
    )


def run(args: argparse.Namespace) -> int:
    found = list(_disassemblies(args))
    if not args.lenient:
        for each in found:
            _refuse_data(each)
    if args.output == "json":
        sys.stdout.write(json.dumps([as_json(each) for each in found]) + "\n")
        return 0
    auto = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    text = "\n".join(
        render(each, args.color == "always" or (args.color == "auto" and auto)) for each in found
    )
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        text = text.translate(_ASCII).encode(sys.stdout.encoding, "replace").decode(sys.stdout.encoding)
    sys.stdout.write(text)
    return 0


def _refuse_data(program: Disassembly) -> None:
    index = 0
    for item in program.code:
        if isinstance(item, Undecoded):
            raise EncodingError(f"{item.reason} (`--lenient` shows it and goes on), in {program.name}", index)
        index += item.insn.slots


def _disassemblies(args: argparse.Namespace) -> Iterator[Disassembly]:
    first, *rest = args.what
    if first in _LIVE and len(rest) == 1:
        return _live(first, rest[0])
    if rest:
        raise UsageError(f"unexpected argument {rest[0]!r}: one program at a time")
    if first == "-":
        return _raw(sys.stdin.buffer.read(), "standard input", args.lenient)
    path = Path(first)
    if path.suffix == ".py" or not path.is_file():
        return _program(first, args.target)
    data = path.read_bytes()
    return _object(first) if data.startswith(b"\x7fELF") else _raw(data, path.name, args.lenient)


def _live(kind: str, value: str) -> Iterator[Disassembly]:
    from pybpf.inspect.live import disassemble_loaded, loaded_programs, pinned_program

    fds: Iterator[Fd]
    if kind == "pinned":
        fds = iter((pinned_program(value),))
    elif kind == "id":
        if not value.isdecimal() or not 0 < int(value) < 1 << 32:
            raise UsageError(f"{value!r} is no id of a program: a number above 0")
        fds = loaded_programs(number=int(value))
    elif kind == "name":
        fds = loaded_programs(name=value)
    else:
        fds = loaded_programs(tag=value)
    for fd in fds:
        with fd:
            yield disassemble_loaded(fd)


def _program(name: str, target: str) -> Iterator[Disassembly]:
    from pybpf.btf import reference
    from pybpf.dsl import lower
    from pybpf.gadget.programs import load
    from pybpf.inspect.tables import describe_attach
    from pybpf.spec import Target

    if target == "host":
        from pybpf.features import host_target

        chosen = host_target()
    else:
        chosen = Target("portable", reference(), portable=True)
    spec = lower(load(name).declarations, {}, chosen)
    for program in sorted(spec.programs, key=lambda program: program.name):
        title = f"{program.name}: {describe_attach(program.attach)}"
        yield Disassembly(program.name, title, program.code)


def _object(path: str) -> Iterator[Disassembly]:
    from pybpf.elf.code import code_sections

    for section in code_sections(path):
        yield Disassembly(section.name, f"section {section.name}", section.code, section.texts)


def _raw(code: bytes, name: str, lenient: bool) -> Iterator[Disassembly]:
    items = decode_lenient(code)
    statements = tuple(item if isinstance(item, Undecoded) else Statement(item) for item in items)
    if not lenient and Undecoded not in map(type, items):
        check_targets([statement.insn for statement in statements if isinstance(statement, Statement)])
    yield Disassembly(name, name, statements)
