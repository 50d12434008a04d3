"""`pybpf run`: a program attached, and its events on standard output."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from pybpf.cli.arguments import Parser, add_btf, use_btf
from pybpf.cli.attached import list_in_flight, say_attached, warn_of_missed, when_asked
from pybpf.cli.console import Console
from pybpf.cli.options import attach, buffer, containers, ends, output, privilege
from pybpf.cli.program import add_program, passes, program_of, values_of
from pybpf.cli.show import show
from pybpf.cli.signals import Signals
from pybpf.cli.view import View, view_of
from pybpf.errors import UsageError
from pybpf.gadget.clock import Clock
from pybpf.gadget.fields import fields
from pybpf.gadget.owners import Owners
from pybpf.gadget.programs import Program
from pybpf.gadget.session import Session

__all__ = ["add_arguments", "run"]

_OPTIONS = (output, ends, containers, buffer, attach, privilege)
_STATUS = (
    "exit status: 0; 1 when it failed; 2 for wrong usage; 3 when events were lost, with --fail-on-loss;"
    " 130 after ^C, and 143 after SIGTERM, when all was ended in good order"
)


def add_arguments(parser: Parser, words: Sequence[str]) -> None:
    """Output, ends and strictness, and what the program itself takes."""
    parser.epilog = _STATUS
    for group in _OPTIONS:
        group.add(parser)
    add_btf(parser)
    add_program(parser, words)


def run(args: argparse.Namespace) -> int:
    """Show events until an end is asked for; returns the exit status."""
    program = program_of(args)
    values = values_of(program, args)
    use_btf(args)
    console = Console(quiet=args.quiet)
    with Signals() as signals:
        try:
            if program.report(values) is not None:
                from pybpf.cli import report

                report.show(program, values, args, signals, console)
            elif program.iterates:
                from pybpf.cli import iterate

                iterate.show(program, values, args, console)
            elif _events(program, values, args, signals, console) and args.fail_on_loss:
                return buffer.LOST
        except KeyboardInterrupt:
            return signals.status
        finally:
            console.close()
        return signals.status if signals.number else 0


def _events(
    program: Program, values: dict[str, Any], args: argparse.Namespace, signals: Signals, console: Console
) -> int:
    """Show the program's events; returns how many were lost."""
    declared = program.events
    assert declared is not None
    if args.inflight and not program.gadget.inflight:
        raise UsageError(f"--inflight: {program.name} names no map of what has begun: Gadget(…, inflight=…)")
    clock = Clock()
    owners = Owners(declared.layout)
    known = fields(declared.layout, clock, [owners.fields])
    view = view_of(args, declared.layout, program.gadget.columns, known, console.room)
    _push(view, program, values, args, console)
    given = {"buffer": args.buffer, "size": args.buffer_size, "strict": args.strict, "passes": passes()}
    given.update(attach=args.attach, wanted=containers.wanted(args, program))

    def prepare(batch: Sequence[tuple[Any, ...]]) -> None:
        clock.refresh()
        owners.note(batch)

    with contextlib.ExitStack() as owned:
        session = owned.enter_context(Session(program, values, warn=console.warn, **given))
        recorder = None
        if args.record:
            from pybpf.gadget.recording.recorder import Recorder

            recorder = owned.enter_context(Recorder(args.record, program, declared.layout, known, clock))
        signals.deferred = True
        say_attached(session, args, console)
        privilege.drop(session, args, console.say)
        console.say(f"tracing {program.name} … Ctrl-C to end")
        also = []
        if args.inflight:
            also = [owned.enter_context(when_asked(partial(list_in_flight, session, console)))]
        show(
            session,
            view,
            console,
            args,
            prepare=prepare,
            wake=signals.fileno(),
            interval=args.interval,
            recorder=recorder,
            also=also,
            counts=partial(_counts, program, session),
        )
        if args.inflight:
            list_in_flight(session, console)
        warn_of_missed(session, console)
        for name, count in session.dropped.items():
            console.warn(
                f"{name} was full {count} times: what the program would have kept there is not shown"
            )
        return session.lost


def _counts(program: Program, session: Session) -> dict[str, int]:
    """What people who watch may want to know of the probes."""
    found = {"missed": sum(session.missed.values())}
    if program.gadget.inflight:
        found["in flight"] = len(session.in_flight())
    return found


def _push(
    view: View, program: Program, values: dict[str, Any], args: argparse.Namespace, console: Console
) -> None:
    """Let the kernel test the conditions that it can, by the program's parameters."""
    if not view.conditions:
        return
    from pybpf.gadget.push import push, unmet

    pushed: Mapping[str, Any] = push(view.conditions, program.params, values)
    for name, (condition, value) in pushed.items():
        values[name] = value
        if args.verbose:
            text = value.decode(errors="surrogateescape") if isinstance(value, bytes) else value
            console.say(f"{condition.text} is tested in the kernel: --{name} {text}")
    for condition, param in unmet(view.conditions, program.params, values):
        console.warn(
            f"no event meets {condition.text}: {program.name} shows what is larger than"
            f" {values.get(param.name, param.default)}; {param.option} changes that"
        )
