"""The command `pybpf`: one module a command, imported when that command is given.

A command's module has `add_arguments(parser, argv)` and `run(args)`, which returns the exit status.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence

from pybpf.errors import BpfError, UsageError, VerifierError, near

__all__ = ["COMMANDS", "main"]

# Command -> what it does, in a line; its module is `pybpf.cli.COMMAND`.
COMMANDS = {
    "list": "show the programs that can be run by name",
    "run": "run a program and show its events",
    "replay": "show the events that a run recorded into a file",
    "inspect": "show a program's maps, instructions and diagrams, without loading it",
    "disasm": "show the instructions of a program, a file, or what is loaded in the kernel",
    "btf": "show the types of a kernel, and which of them programs need",
    "asm": "turn a text of instructions into bytes",
    "containers": "show the containers that run, which --container and its like take",
    "doctor": "find out what this kernel can do, or what a program needs of it",
    "new": "write a commented probe to begin with, and its test",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit status: 0, 1 (it failed), 2 (wrong usage), 130 (^C)."""
    if argv is None:  # a process of our own, where what is imported stays: it isn't searched for garbage
        gc.disable()
    words = sys.argv[1:] if argv is None else argv
    # Taken out first: whatever is wrong with the other words, it says how to tell.
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        status = _run(words)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # Who read our output has had enough: nothing more may be written, by Python on its way out either.
        with open(os.devnull, "w") as nothing:
            os.dup2(nothing.fileno(), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if debug:
            if isinstance(error, VerifierError):
                print(error.log.rstrip("\n"), file=sys.stderr)
            raise
        print(f"pybpf: error: {_describe(error)}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1


def _run(words: Sequence[str]) -> int:
    if not words:
        print(_help(), end="", file=sys.stderr)
        raise UsageError("no command given")
    command, *rest = words
    if command in ("-h", "--help"):
        print(_help(), end="")
        return 0
    if command == "--version":
        from pybpf import __version__

        print(f"pybpf {__version__}")
        return 0
    if command not in COMMANDS:
        what = "option" if command.startswith("-") else "command"
        known = ["--help", "--version", "--debug", *COMMANDS]
        raise UsageError(f"no {what} {command!r}{near(command, known)}: `pybpf --help` shows all")
    import importlib

    from pybpf.cli.arguments import Parser, joined

    rest = joined(rest)
    module = importlib.import_module(f"pybpf.cli.{command}")
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
    parser = Parser(command, COMMANDS[command])
    module.add_arguments(parser, rest)
    status: int = module.run(parser.parse(rest))
    return status


def _help() -> str:
    commands = "".join(f"  {name:<11} {text}\n" for name, text in COMMANDS.items())
    return (
        "usage: pybpf COMMAND [options]\n\neBPF from Python alone.\n\n"
        f"commands:\n{commands}\n"
        "options:\n"
        "  --help     show this; after a command, what that takes\n"
        "  --version  show the version\n"
        "  --debug    show where an error comes from, as a Python traceback; and the verifier's whole log\n"
    )


def _describe(error: Exception) -> str:
    if isinstance(error, (BpfError, OSError)):
        return str(error)
    return f"{type(error).__name__}: {error} (a bug in pybpf: --debug shows where)"
