"""The part of `pybpf run` for a program that counts in the kernel, and shows what it counted at its end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import Any

from pybpf.cli.options import privilege
from pybpf.cli.program import passes
from pybpf.cli.signals import Signals
from pybpf.errors import UsageError
from pybpf.gadget.programs import Program
from pybpf.gadget.report import Report

__all__ = ["show"]

# Options of `run` that are about events.
_OF_EVENTS = ("max_events", "buffer", "buffer_size", "fail_on_loss")


def show(
    program: Program,
    values: Mapping[str, Any],
    args: argparse.Namespace,
    signals: Signals,
    say: Callable[[str], None],
) -> None:
    """Run it until an end is asked for, then print. `say` is for people who watch."""
    for name in _OF_EVENTS:
        if getattr(args, name):
            raise UsageError(
                f"--{name.replace('_', '-')} is about events, and {program.name} has none: it counts"
            )

    def warn(text: str) -> None:
        say(f"warning: {text}")

    with Report(program, values, strict=args.strict, passes=passes(), warn=warn) as report:
        signals.deferred = True
        if args.verbose:
            say(f"attached to {', '.join(report.attached)}")
        privilege.drop(report, args, say)
        say(f"counting for {program.name} … Ctrl-C to show it")
        report.wait(timeout=args.timeout, wake=signals.fileno())
        if args.output == "columns":
            sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        sys.stdout.writelines(report.lines(args.output))
        sys.stdout.flush()
        if report.full:
            warn(report.full)
        say(f"{report.counted} counted")
