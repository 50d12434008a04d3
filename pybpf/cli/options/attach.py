"""How a program is attached."""

from __future__ import annotations

from pybpf.cli.arguments import Parser, choice
from pybpf.spec import BACKENDS

__all__ = ["add", "add_backend"]


def add(parser: Parser) -> None:
    """Let a command take the options of this group."""
    parser.add_argument(
        "--strict", action="store_true", help="fail when one of the functions can't be traced"
    )
    add_backend(parser)
    parser.add_argument(
        "--inflight",
        action="store_true",
        help="at the end, and on SIGUSR1, list what has begun and not ended, with its age",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="say what is attached to, and how")


def add_backend(parser: Parser) -> None:
    """Let a command take `--attach`."""
    parser.add_argument(
        "--attach",
        metavar="HOW",
        type=choice("auto", *BACKENDS),
        default="auto",
        help=f"how kernel functions are probed: {', '.join(BACKENDS)}; or auto, the first of these that works"
        " (default: auto)",
    )
