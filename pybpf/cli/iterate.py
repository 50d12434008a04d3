"""The part of `pybpf run` for a program of iterators: each is read once, and what it writes is printed."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from pybpf.cli.console import Console
from pybpf.cli.program import passes
from pybpf.cli.report import OF_EVENTS
from pybpf.errors import UsageError
from pybpf.gadget.host import HostBuild
from pybpf.gadget.programs import Program
from pybpf.gadget.running import Running
from pybpf.link.iterator import Iterator

__all__ = ["show"]


def show(program: Program, values: Mapping[str, Any], args: argparse.Namespace, console: Console) -> None:
    """Read them, one after another; what stops at some time, or repeats, makes no sense here."""
    for name in (*OF_EVENTS, "timeout", "interval"):
        if getattr(args, name):
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} is about what goes on, and {program.name} shows what is there now")
    build = HostBuild(program, values, passes=passes())
    with Running(build, values, strict=args.strict, warn=console.warn) as running:
        running.attach()
        for link in running.links:
            if isinstance(link, Iterator):
                console.write(link.read())
