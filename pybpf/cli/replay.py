"""`pybpf replay`: the events of a recording, on any machine."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pybpf.cli.arguments import Parser, count
from pybpf.cli.console import Console
from pybpf.cli.options import output
from pybpf.cli.show import show
from pybpf.cli.view import view_of
from pybpf.errors import BpfError
from pybpf.gadget.recording.recording import Recording
from pybpf.gadget.text import escape

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser, words: Sequence[str]) -> None:
    """The file, and what is shown of it."""
    parser.epilog = (
        "exit status: 0; 1 when the file is damaged, after all that is whole was shown; 2 for wrong usage"
    )
    parser.add_argument("file", metavar="FILE", help="what `pybpf run PROGRAM --record FILE` wrote")
    parser.add_argument("--max-events", metavar="N", type=count, help="no more than so many events")
    output.add(parser)
    parser.set_defaults(timeout=None)


def run(args: argparse.Namespace) -> int:
    """Show the events of the file."""
    console = Console(quiet=args.quiet)
    with Recording(args.file) as recording:
        view = view_of(args, recording.layout, recording.columns, recording.fields, console.room)
        name, kernel = escape(recording.program), escape(recording.kernel)
        console.say(f"replaying {name}, begun at {recording.begun} on {kernel}")
        show(recording, view, console, args)
        console.close()
        if recording.damage:
            raise BpfError(escape(recording.damage))
    return 0
