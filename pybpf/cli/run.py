"""`pybpf run`: a program attached, and its events on standard output."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pybpf.cli import report
from pybpf.cli.arguments import Parser, add_btf, use_btf
from pybpf.cli.options import attach, buffer, ends, output, privilege
from pybpf.cli.program import add_program, passes, program_of, values_of
from pybpf.cli.signals import Signals
from pybpf.events import Loss
from pybpf.gadget.clock import Clock
from pybpf.gadget.output.columns import Table
from pybpf.gadget.output.json import JsonLines
from pybpf.gadget.programs import Program
from pybpf.gadget.session import Session

__all__ = ["add_arguments", "run"]

_OPTIONS = (output, ends, buffer, attach, privilege)


def add_arguments(parser: Parser, words: Sequence[str]) -> None:
    """Output, ends and strictness, and what the program itself takes."""
    for group in _OPTIONS:
        group.add(parser)
    add_btf(parser)
    add_program(parser, words)


def run(args: argparse.Namespace) -> int:
    """Show events until an end is asked for; 130 on ^C, 143 on SIGTERM, 3 when --fail-on-loss says so."""
    program = program_of(args)
    values = values_of(program, args)
    use_btf(args)
    if program.gadget.report is not None:
        return _report(program, values, args)
    given = {"buffer": args.buffer, "size": args.buffer_size, "strict": args.strict, "passes": passes()}
    with Signals() as signals:
        try:
            with Session(program, values, warn=_warn, **given) as session:
                _show(program, session, signals, args)
                if args.fail_on_loss and session.lost:
                    return buffer.LOST
        except KeyboardInterrupt:
            return signals.status
        return signals.status if signals.number else 0


def _report(program: Program, values: Mapping[str, Any], args: argparse.Namespace) -> int:
    """Show what a program counted until an end is asked for; 130 on ^C, 143 on SIGTERM."""
    with Signals() as signals:
        try:
            report.show(program, values, args, signals, _say)
        except KeyboardInterrupt:
            return signals.status
        return signals.status if signals.number else 0


def _show(program: Program, session: Session, signals: Signals, args: argparse.Namespace) -> None:
    clock = Clock()
    shown: Table | JsonLines = JsonLines(session.layout, clock)
    if args.output == "columns":
        shown = Table(program.gadget.columns, session.layout, clock)
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    signals.deferred = True
    if args.verbose:
        _say(f"attached to {', '.join(session.attached)}")
    privilege.drop(session, args, _say)
    _say(f"tracing {program.name} … Ctrl-C to end")
    sys.stdout.write(shown.header)
    sys.stdout.flush()

    def lost(losses: list[Loss]) -> None:
        counts = {loss.cpu: loss.lost for loss in losses}
        _warn(f"{sum(counts.values())} events lost ({_by_cpu(counts)}), {session.lost} until now")
        sys.stdout.write(shown.lost(losses))
        sys.stdout.flush()

    given = {"timeout": args.timeout, "most": args.max_events, "wake": signals.fileno()}
    for batch in session.batches(**given, lost=lost):
        clock.refresh()
        sys.stdout.write(shown.lines(batch))
        sys.stdout.flush()
    lost_by_cpu = session.lost_by_cpu
    summary = f"{session.shown} events shown, {sum(lost_by_cpu.values())} lost"
    if lost_by_cpu:
        summary += f" ({_by_cpu(lost_by_cpu)}): a larger --buffer-size has more room"
    _say(summary)


def _by_cpu(counts: Mapping[int, int]) -> str:
    return ", ".join(f"CPU {cpu}: {count}" for cpu, count in counts.items())


def _say(text: str) -> None:
    print(f"pybpf: {text}", file=sys.stderr, flush=True)


def _warn(text: str) -> None:
    _say(f"warning: {text}")
