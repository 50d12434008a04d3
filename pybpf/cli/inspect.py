"""`pybpf inspect`: what a program consists of, without loading it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pybpf.cli.arguments import Parser, add_btf, choice, use_btf
from pybpf.cli.options.attach import add_backend
from pybpf.cli.program import add_program, passes, program_of, values_of
from pybpf.codegen import STAGES, Options
from pybpf.codegen.ir import Function
from pybpf.dsl import lower
from pybpf.errors import LoweringError, UsageError, near
from pybpf.gadget.programs import Program
from pybpf.inspect.flowchart import flowchart
from pybpf.inspect.listing import listing
from pybpf.inspect.sequence import sequence
from pybpf.inspect.tables import map_table, program_table
from pybpf.spec import ObjectSpec, Target

__all__ = ["add_arguments", "run"]

_VIEWS: dict[str, Callable[[ObjectSpec], str]] = {
    "programs": program_table,
    "maps": map_table,
    "flowchart": flowchart,
    "sequence": sequence,
    "listing": listing,
}


def add_arguments(parser: Parser, words: Sequence[str]) -> None:
    """What to show, of which form of the program."""
    views = [*_VIEWS, "all", "schema", "ir"]
    parser.add_argument(
        "--show",
        metavar="WHAT",
        type=choice(*views),
        default="all",
        help=f"{', '.join(views)} (default: all)",
    )
    parser.add_argument(
        "--target",
        metavar="WHICH",
        type=choice("portable", "host"),
        default="portable",
        help="lowered for any kernel, with parameters as variables, or for this host's, with parameters as"
        " constants (default: portable)",
    )
    add_backend(parser)
    parser.add_argument(
        "--buffer", metavar="KIND", type=choice("ringbuf", "perf"), help="how events are sent: ringbuf, perf"
    )
    parser.add_argument(
        "--stage",
        metavar="NAME",
        help=f"with --show ir: only what the program is after this stage: {', '.join(STAGES)}",
    )
    add_btf(parser)
    add_program(parser, words)


def run(args: argparse.Namespace) -> int:
    """Print the views that are asked for."""
    program = program_of(args)
    use_btf(args)
    if args.show == "schema":
        sys.stdout.write(_schema(program))
        return 0
    stages = _Stages(args.show, args.stage)
    options = Options(watch=stages.watch if args.show == "ir" else None)
    chosen = passes()
    if chosen is not None:
        options = options._replace(passes=chosen)
    values = values_of(program, args)
    lines: list[str] = []
    if args.target == "host":
        spec, lines = _host(program, values, args, options)
    else:
        spec = lower(program.declarations, values, _portable(), buffer=args.buffer, options=options)
    if args.show == "ir":
        sys.stdout.write("\n".join(stages.shown))
    elif args.show == "all":
        parts = [f"{name}\n{'-' * len(name)}\n{view(spec)}" for name, view in _VIEWS.items()]
        if lines:
            parts.insert(1, "".join(f"{line}\n" for line in lines))
        sys.stdout.write("\n".join(parts))
    else:
        sys.stdout.write(_VIEWS[args.show](spec))
    return 0


def _host(
    program: Program, values: Mapping[str, Any], args: argparse.Namespace, options: Options
) -> tuple[ObjectSpec, list[str]]:
    """The program for this host, and which back-ends serve its functions here."""
    from pybpf.features import host_target
    from pybpf.gadget.backends import Backends

    values = {each.name: each.resolve(values[each.name]) for each in program.params if each.name in values}
    backends = Backends(program.declarations, values, host_target(), args.attach)
    while True:
        try:
            spec = lower(program.declarations, values, backends.target, buffer=args.buffer, options=options)
        except LoweringError as error:
            if not backends.refused(error):
                raise
        else:
            return spec, list(backends.lines())


def _schema(program: Program) -> str:
    """The JSON Schema of the program's events."""
    import json

    from pybpf.gadget.clock import Clock
    from pybpf.gadget.fields import fields
    from pybpf.gadget.output.schema import schema
    from pybpf.gadget.owners import Owners

    events = program.declarations.events
    if events is None:
        raise UsageError(f"--show schema is about events, and {program.name} has none: it counts")
    known = fields(events.layout, Clock(), [Owners(events.layout).fields])
    return json.dumps(schema(program.name, known), indent=2, sort_keys=True) + "\n"


class _Stages:
    """What programs are after each stage of the optimiser, or after the one that is asked for."""

    def __init__(self, view: str, stage: str | None) -> None:
        if stage is not None and view != "ir":
            raise UsageError("--stage goes with --show ir")
        if stage is not None and stage not in STAGES:
            raise UsageError(f"no stage {stage!r}{near(stage, STAGES)}: there are {', '.join(STAGES)}")
        self.stage = stage
        self.shown: list[str] = []
        self._before = ""

    def watch(self, name: str, function: Function) -> None:
        text = str(function)
        if self.stage is None and text == self._before:
            self.shown.append(f"; after {name}: no change\n")
        elif self.stage in (None, name):
            self.shown.append(f"; after {name}\n{text}\n")
        self._before = text


def _portable() -> Target:
    from pybpf.btf import reference

    return Target("portable", reference(), portable=True)
