"""What is shown, and in which form."""

from __future__ import annotations

from pybpf.cli.arguments import Parser, choice

__all__ = ["add"]


def add(parser: Parser) -> None:
    """Let a command take the options of this group."""
    parser.add_argument(
        "-o",
        "--output",
        metavar="FORM",
        type=choice("columns", "json"),
        default="columns",
        help="columns, json: an object a line (default: columns)",
    )
