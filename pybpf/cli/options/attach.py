"""How a program is attached."""

from __future__ import annotations

from pybpf.cli.arguments import Parser

__all__ = ["add"]


def add(parser: Parser) -> None:
    """Let a command take the options of this group."""
    parser.add_argument(
        "--strict", action="store_true", help="fail when one of the functions can't be traced"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="say what is attached to")
