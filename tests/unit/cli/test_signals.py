"""Signals end a command in good order."""

from __future__ import annotations

import os
import select
import signal

import pytest

from pybpf.cli.signals import Signals


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_deferred_signal_is_seen_and_the_second_raises(number: int, status: int) -> None:
    before = signal.getsignal(number)
    with Signals() as signals:
        signals.deferred = True
        assert not select.select([signals.fileno()], [], [], 0)[0]
        os.kill(os.getpid(), number)
        assert select.select([signals.fileno()], [], [], 5)[0]
        assert (signals.number, signals.status) == (number, status)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_a_signal_that_is_not_deferred_raises() -> None:
    with Signals() as signals:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        assert signals.status == 143
