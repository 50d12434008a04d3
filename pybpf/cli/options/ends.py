"""When a command ends by itself, and what it shows before."""

from __future__ import annotations

from pybpf.cli.arguments import Parser, count, seconds

__all__ = ["add"]


def add(parser: Parser) -> None:
    """Let a command take the options of this group."""
    parser.add_argument("--timeout", metavar="SECONDS", type=seconds, help="end after this time")
    parser.add_argument("--max-events", metavar="N", type=count, help="end after this many events")
    parser.add_argument(
        "--interval",
        metavar="SECONDS",
        type=seconds,
        help="show what is in order, summed up or counted each time so long; else at the end",
    )
