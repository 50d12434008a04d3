"""What is said of a program that is attached: where and how, what it missed, what is under way."""

from __future__ import annotations

import argparse
import os
import signal
from types import SimpleNamespace
from typing import Any

import pytest

from pybpf.cli.attached import list_in_flight, say_attached, warn_of_missed, when_asked
from pybpf.gadget.inflight import InFlight


class Said:
    """A console that writes down."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def warn(self, text: str) -> None:
        self.lines.append(f"warning: {text}")


def program(missed: dict[str, int] | None = None) -> Any:
    found = [InFlight(12.5, "tid 7 (cat), op F_READ"), InFlight(0.000001, "tid 8")]
    return SimpleNamespace(
        attached=["a", "b"],
        backends=["fentry serves a", "kprobe serves b (not fentry: why)"],
        missed=missed or {},
        in_flight=lambda: found,
    )


@pytest.mark.parametrize("verbose", [False, True])
def test_where_and_how(verbose: bool) -> None:
    console: Any = Said()
    say_attached(program(), argparse.Namespace(verbose=verbose), console)
    lines = ["attached to a, b", "fentry serves a", "kprobe serves b (not fentry: why)"]
    assert console.lines == (lines if verbose else [])


def test_what_was_missed() -> None:
    console: Any = Said()
    warn_of_missed(program(), console)
    assert console.lines == []
    warn_of_missed(program({"a": 2, "b, c": 1}), console)
    assert console.lines == ["warning: probes were missed 3 times (a: 2, b, c: 1): that is not shown"]


def test_what_is_under_way() -> None:
    console: Any = Said()
    list_in_flight(program(), console)
    assert console.lines == ["2 in flight", "  12.500000 s: tid 7 (cat), op F_READ", "  0.000001 s: tid 8"]


def test_it_is_listed_when_a_signal_asks() -> None:
    times: list[int] = []
    with when_asked(lambda: times.append(1)) as (seconds, look):
        assert 0 < seconds < 1
        look()
        assert times == []
        os.kill(os.getpid(), signal.SIGUSR1)
        look()
        look()
        assert times == [1]
        os.kill(os.getpid(), signal.SIGUSR1)  # and one that comes too late to be looked at
    assert times == [1, 1]
    assert signal.SIGUSR1 not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
