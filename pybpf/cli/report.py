"""The part of `pybpf run` for a program that counts in the kernel, and shows what it counted at its end."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from pybpf.cli.attached import say_attached, warn_of_missed
from pybpf.cli.console import Console
from pybpf.cli.options import containers, privilege
from pybpf.cli.program import passes
from pybpf.cli.signals import Signals
from pybpf.dsl import HashMap
from pybpf.errors import UsageError
from pybpf.gadget.programs import Program
from pybpf.gadget.report import Report

__all__ = ["OF_EVENTS", "show"]

# Options of `run` that are about events.
OF_EVENTS = (
    *("max_events", "buffer", "buffer_size", "fail_on_loss", "record", "inflight"),
    *("fields", "filter", "filter_expr", "sort", "top", "summary", "by"),
)


def show(
    program: Program,
    values: Mapping[str, Any],
    args: argparse.Namespace,
    signals: Signals,
    console: Console,
) -> None:
    """Run it until an end is asked for, then print."""
    for name in OF_EVENTS:
        if getattr(args, name):
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} is about events, and {_who(program)} has none: it counts")

    if args.output not in ("columns", "json"):
        raise UsageError(
            f"-o {args.output} is for events, and {_who(program)} has none: it takes columns and json"
        )
    if args.interval and isinstance(program.report(values), HashMap):
        raise UsageError(f"--interval is for histograms, and {program.name} counts stack traces")
    given = {"strict": args.strict, "passes": passes(), "attach": args.attach}
    given["wanted"] = containers.wanted(args, program)
    with Report(program, values, warn=console.warn, **given) as report:
        signals.deferred = True
        say_attached(report, args, console)
        privilege.drop(report, args, console.say)
        console.say(f"counting for {program.name} … Ctrl-C to show it")
        show_page = console.page if args.interval and args.output == "columns" else console.write

        def turn() -> None:
            show_page("".join(report.lines(args.output)))

        every = ((args.interval, turn),) if args.interval else ()
        report.wait(timeout=args.timeout, wake=signals.fileno(), every=every)
        turn()
        if report.full:
            console.warn(report.full)
        console.say(f"{report.counted} counted")
        warn_of_missed(report, console)


def _who(program: Program) -> str:
    return f"{program.name} --hist" if program.gadget.hist else program.name
