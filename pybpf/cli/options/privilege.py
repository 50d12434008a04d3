"""What a command may do is given up, once all is attached."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import Protocol

from pybpf.cli.arguments import Parser
from pybpf.errors import SyscallError

__all__ = ["add", "drop"]


class _Attached(Protocol):
    def give_up(self, keep: Iterable[str] = ()) -> frozenset[str]: ...


def add(parser: Parser) -> None:
    """`--no-drop`, which `drop` then sees to."""
    parser.add_argument(
        "--no-drop",
        action="store_true",
        help="keep all capabilities; else those that are needed no more are given up after attaching",
    )


def drop(
    attached: _Attached, args: argparse.Namespace, say: Callable[[str], None], keep: Iterable[str] = ()
) -> None:
    """Give up the capabilities that are needed no more, if the command line doesn't say otherwise."""
    if args.no_drop:
        return
    try:
        left = attached.give_up(keep)
    except SyscallError as error:
        say(f"warning: capabilities can't be given up: {error}")
        return
    if left and args.verbose:
        say(f"gave up all capabilities but {', '.join(sorted(left))}")
