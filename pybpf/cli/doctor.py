"""`pybpf doctor`: what this kernel can do, or what a program needs of it: found out by trying."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from pybpf.cli.arguments import Parser, add_btf, choice, use_btf
from pybpf.cli.findings import show, style_of, verdict
from pybpf.cli.program import add_program, program_of, values_of
from pybpf.errors import UsageError
from pybpf.features import Feature
from pybpf.features.groups import GROUPS
from pybpf.gadget.checkup import Answer, checkup, overall

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser, words: Sequence[str]) -> None:
    """What to look at, and how to show it."""
    parser.add_argument(
        "-o",
        "--output",
        metavar="FORM",
        type=choice("text", "json"),
        default="text",
        help="text, json (default: text)",
    )
    parser.add_argument(
        "--show",
        metavar="WHAT",
        type=choice("all", *GROUPS),
        help=f"without a program: {', '.join(GROUPS)}, or all (default: all but helpers)",
    )
    parser.epilog = (
        "What is tried is undone at once, and nothing stays in the kernel. The exit status is 0 when"
        " programs, or the one that is given, can run here, and else 1."
    )
    add_btf(parser)
    add_program(parser, words)
    parser.usage = f"{parser.prog} [PROGRAM] [options]"


def run(args: argparse.Namespace) -> int:
    """0 when it can run here, 1 when not, or when this process may not find out."""
    use_btf(args)
    if args.program is None:
        chosen = GROUPS if args.show in (None, "all") else [args.show]
        full = args.show is not None or args.output == "json"
        groups = {
            name: (GROUPS[name].title, list(GROUPS[name].find()))
            for name in chosen
            if full or not GROUPS[name].lengthy
        }
        answer = overall()
    else:
        if args.show is not None:
            raise UsageError("--show is for all that the kernel can do: leave it out, or the program")
        program = program_of(args)
        found = checkup(program, values_of(program, args))
        groups = {title.lower(): (title, features) for title, features in found.groups}
        answer = found.answer
    if args.output == "json":
        print(json.dumps(_as_json(groups, answer), ensure_ascii=False, sort_keys=True))
    else:
        _print(groups.values(), answer)
    return 0 if answer.works else 1


def _as_json(groups: dict[str, tuple[str, list[Feature]]], answer: Answer) -> dict[str, Any]:
    kernel = os.uname()
    return {
        "kernel": {"release": kernel.release, "machine": kernel.machine},
        "works": answer.works,
        "said": answer.said,
        "groups": {
            name: [
                {
                    "name": each.name,
                    "works": each.state,
                    "since": each.since,
                    "why": each.why,
                    "value": each.value,
                }
                for each in features
            ]
            for name, (_, features) in groups.items()
        },
    }


def _print(groups: Iterable[tuple[str, list[Feature]]], answer: Answer) -> None:
    style = style_of(sys.stdout)
    kernel = os.uname()
    who = "root" if os.geteuid() == 0 else f"user {os.geteuid()}"
    parts = [f"Linux {kernel.release} on {kernel.machine}, as {who}\n"]
    parts += filter(None, (show(title, features, style) for title, features in groups))
    sys.stdout.write("\n".join([*parts, verdict(answer.works, answer.said, style)]))
