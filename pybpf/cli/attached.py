"""What is said of a program that is attached: to what and how, what it missed, what is under way."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from pybpf.cli.console import Console
from pybpf.gadget.session import Session
from pybpf.gadget.text import escape

__all__ = ["Attached", "list_in_flight", "say_attached", "warn_of_missed", "when_asked"]

# Seconds between two looks whether the signal has come.
_LOOK = 0.5


class Attached(Protocol):
    """A Session, or a Report."""

    @property
    def attached(self) -> list[str]: ...

    @property
    def backends(self) -> list[str]: ...

    @property
    def missed(self) -> Mapping[str, int]: ...


def say_attached(program: Attached, args: argparse.Namespace, console: Console) -> None:
    """With --verbose: where it is attached, by which back-ends, and why not by cheaper ones."""
    if args.verbose:
        for line in (f"attached to {', '.join(program.attached)}", *program.backends):
            console.say(line)


def warn_of_missed(program: Attached, console: Console) -> None:
    """How often probes could not run, if they couldn't."""
    missed = program.missed
    if missed:
        places = ", ".join(f"{place}: {count}" for place, count in missed.items())
        console.warn(f"probes were missed {sum(missed.values())} times ({places}): that is not shown")


def list_in_flight(session: Session, console: Console) -> None:
    """A line for each operation that has begun and not ended."""
    found = session.in_flight()
    console.say(f"{len(found)} in flight")
    for each in found:
        console.say(f"  {each.age:.6f} s: {escape(each.said)}")


@contextmanager
def when_asked(do: Callable[[], None]) -> Iterator[tuple[float, Callable[[], None]]]:
    """What is to be called now and then, so that `do` is each time that SIGUSR1 has come since."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])

    def look() -> None:
        if signal.sigtimedwait([signal.SIGUSR1], 0) is not None:
            do()

    try:
        yield (_LOOK, look)
    finally:
        look()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
