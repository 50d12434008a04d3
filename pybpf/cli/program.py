"""The program that a command line names, and the options that this program adds to it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any

from pybpf.cli.arguments import Parser
from pybpf.errors import ProgramNotFound, UsageError
from pybpf.gadget.programs import Program, load
from pybpf.spec.params import Choice, Flag, Param

__all__ = ["add_program", "passes", "program_of", "values_of"]

_PREFIX = "parameter "
_PASSES = "PYBPF_PASSES"


def add_program(parser: Parser, words: Sequence[str]) -> None:
    """Let a command take PROGRAM and, once `words` tell which, an option for each of its parameters.

    Call it last: which of the words is the program depends on the command's other options.
    """
    parser.usage = f"{parser.prog} PROGRAM [options]"
    parser.add_argument(
        "program",
        metavar="PROGRAM",
        nargs="?",
        help="a name that `pybpf list` shows, or a file: ./my_probe.py",
    )
    args, unknown = parser.parse_known_args([word for word in words if word not in ("-h", "--help")])
    if args.program is None:
        return
    try:
        program = load(args.program)
    except ProgramNotFound:
        early = [
            word for word in unknown if word.startswith("-") and words.index(word) < words.index(args.program)
        ]
        if early:
            raise UsageError(
                f"the program comes before its options: {parser.prog} PROGRAM {early[0]} …"
            ) from None
        raise
    parser.set_defaults(loaded=program)
    parser.usage = f"{parser.prog} {args.program} [options]"
    parser.description = program.description
    group = parser.add_argument_group(f"options of {program.name}")
    for param in program.params:
        try:
            for option in param.options:
                form: dict[str, Any] = {"metavar": option.metavar}
                if isinstance(param, Flag):
                    form = {"action": "store_const", "const": ""}
                text = _help(param) if option.name == param.option else option.help
                group.add_argument(option.name, dest=_PREFIX + option.name, help=text, **form)
        except argparse.ArgumentError:
            raise UsageError(
                f"{program.path}: the parameter {param.name!r} has the name of an option of"
                f" `{parser.prog}`: choose another name"
            ) from None


def _help(param: Param) -> str:
    text = param.help
    if isinstance(param, Choice):
        text += ": " + ", ".join(param.rows)
    # 0, nothing, and the greatest number stand for a filter that is off.
    if param.default not in (0, b"", getattr(param.layout, "maximum", None)):
        text += f" (default: {param.default})"
    return text.replace("%", "%%")


def program_of(args: argparse.Namespace) -> Program:
    """The program that the command line names; UsageError when it names none."""
    if args.program is None:
        raise UsageError("no program given: `pybpf list` shows all; a file is given by its path")
    program: Program = args.loaded
    return program


def values_of(program: Program, args: argparse.Namespace) -> dict[str, Any]:
    """The values of those parameters that the command line sets, by name. Raises UsageError."""
    values = {}
    for param in program.params:
        texts = {option: getattr(args, _PREFIX + option.name) for option in param.options}
        given = [option for option, text in texts.items() if text is not None]
        if len(given) > 1:
            names = " and ".join(option.name for option in given)
            raise UsageError(f"{names} say the same: give one of them")
        for option in given:
            values[param.name] = option.parse(texts[option])
    return values


def passes() -> frozenset[str] | None:
    """The optional passes of the optimiser to run: those that the variable PYBPF_PASSES names; None for all.

    It holds `all`, `none`, some (`thread,dce`), or `-simplify` for all but that. Raises UsageError.
    """
    text = os.environ.get(_PASSES)
    if not text:
        return None
    from pybpf.codegen import parse_passes

    try:
        return parse_passes(text)
    except UsageError as error:
        raise UsageError(f"{_PASSES}: {error}") from None
