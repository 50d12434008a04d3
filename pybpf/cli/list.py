"""`pybpf list`: the programs that can be run by name."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pybpf.cli.arguments import Parser
from pybpf.gadget.programs import shipped, summary
from pybpf.inspect.tables import table

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser, words: Sequence[str]) -> None:
    """It takes none."""


def run(args: argparse.Namespace) -> int:
    """Print a table of all programs."""
    rows = [(name, summary(path), path) for name, path in shipped().items()]
    sys.stdout.write(table(("NAME", "DESCRIPTION", "FILE"), rows))
    return 0
