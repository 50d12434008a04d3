"""`pybpf run`: a program attached, and its events on standard output."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pybpf.cli.arguments import Parser, add_btf, choice, count, seconds, use_btf
from pybpf.cli.program import add_program, passes, program_of, values_of
from pybpf.cli.signals import Signals
from pybpf.gadget.clock import Clock
from pybpf.gadget.columns import Table
from pybpf.gadget.json import JsonLines
from pybpf.gadget.programs import Program
from pybpf.gadget.session import Session

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser, words: Sequence[str]) -> None:
    """Output, ends and strictness, and what the program itself takes."""
    parser.add_argument(
        "-o",
        "--output",
        metavar="FORM",
        type=choice("columns", "json"),
        default="columns",
        help="columns, json: an object a line (default: columns)",
    )
    parser.add_argument("--timeout", metavar="SECONDS", type=seconds, help="end after this time")
    parser.add_argument("--max-events", metavar="N", type=count, help="end after this many events")
    parser.add_argument(
        "--buffer",
        metavar="KIND",
        type=choice("ringbuf", "perf"),
        help="how events are sent: ringbuf, perf (default: ringbuf, where the kernel has it)",
    )
    parser.add_argument(
        "--strict", action="store_true", help="fail when one of the functions can't be traced"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="say what is attached to")
    add_btf(parser)
    add_program(parser, words)


def run(args: argparse.Namespace) -> int:
    """Show events until an end is asked for; 130 on ^C, 143 on SIGTERM."""
    program = program_of(args)
    values = values_of(program, args)
    use_btf(args)
    given = {"buffer": args.buffer, "strict": args.strict, "passes": passes()}
    with Signals() as signals:
        try:
            with Session(program, values, warn=_warn, **given) as session:
                _show(program, session, signals, args)
        except KeyboardInterrupt:
            return signals.status
        return signals.status if signals.number else 0


def _show(program: Program, session: Session, signals: Signals, args: argparse.Namespace) -> None:
    clock = Clock()
    output: Table | JsonLines = JsonLines(session.layout, clock)
    if args.output == "columns":
        output = Table(program.gadget.columns, session.layout, clock)
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    signals.deferred = True
    if args.verbose:
        _say(f"attached to {', '.join(session.attached)}")
    _say(f"tracing {program.name} … Ctrl-C to end")
    sys.stdout.write(output.header)
    sys.stdout.flush()
    for batch in session.batches(timeout=args.timeout, most=args.max_events, wake=signals.fileno()):
        clock.refresh()
        sys.stdout.write(output.lines(batch))
        sys.stdout.flush()
    _say(f"{session.shown} events shown, {session.lost} lost")


def _say(text: str) -> None:
    print(f"pybpf: {text}", file=sys.stderr, flush=True)


def _warn(text: str) -> None:
    _say(f"warning: {text}")
