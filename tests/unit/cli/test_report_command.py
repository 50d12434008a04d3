"""`pybpf run` of a program that counts: what it prints at its end; the kernel itself is played."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import Any

import pytest

from pybpf.cli import main, report
from pybpf.errors import SyscallError


class Report:
    """Has counted five, in one line."""

    full = ""

    def __init__(self, program: Any, values: dict[str, Any], **given: Any) -> None:
        self.said = (program.name, values, given["strict"])
        self.attached = ["block/block_rq_issue"]
        self.backends: list[str] = []
        self.missed: dict[str, int] = {}
        self.counted = 0

    def __enter__(self) -> Report:
        return self

    def __exit__(self, *error: object) -> None: ...

    def give_up(self, keep: Iterable[str] = ()) -> frozenset[str]:
        return frozenset({"CAP_SYSLOG", "CAP_BPF"})

    def wait(self, *, timeout: float | None, wake: int, every: Any) -> None:
        assert timeout == 0.5
        for _, callback in every:
            callback()

    def lines(self, form: str) -> list[str]:
        self.counted = 5
        return [f"{self.said} as {form}\n"]


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str, str]:
    monkeypatch.setattr(report, "Report", Report)
    status = main(["run", "hist_blockio", "--timeout", "0.5", *words])
    return (status, *capsys.readouterr())


SAID = (
    "pybpf: counting for hist_blockio … Ctrl-C to show it\n",
    "pybpf: 5 counted\n",
)


@pytest.mark.parametrize(
    ("words", "out", "err"),
    [
        (["--interval", "0.1"], "('hist_blockio', {}, False) as columns\n" * 2, "".join(SAID)),
        ([], "('hist_blockio', {}, False) as columns\n", "".join(SAID)),
        (["-o", "json", "--strict"], "('hist_blockio', {}, True) as json\n", "".join(SAID)),
        (
            ["-v"],
            "('hist_blockio', {}, False) as columns\n",
            "pybpf: attached to block/block_rq_issue\n"
            "pybpf: gave up all capabilities but CAP_BPF, CAP_SYSLOG\n" + "".join(SAID),
        ),
        (
            ["-v", "--no-drop"],
            "('hist_blockio', {}, False) as columns\n",
            "pybpf: attached to block/block_rq_issue\n" + "".join(SAID),
        ),
    ],
)
def test_what_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], out: str, err: str
) -> None:
    assert run(monkeypatch, capsys, *words) == (0, out, err)


def test_a_map_that_was_full(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(Report, "full", "latency_us is full (4 elements): some were not counted")
    _, _, err = run(monkeypatch, capsys)
    assert (
        err == f"{SAID[0]}pybpf: warning: latency_us is full (4 elements): some were not counted\n{SAID[1]}"
    )


def test_capabilities_that_stay(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def give_up(self: Report, keep: Iterable[str] = ()) -> frozenset[str]:
        raise SyscallError("capset", errno.EPERM)

    monkeypatch.setattr(Report, "give_up", give_up)
    text = "pybpf: warning: capabilities can't be given up: capset: Operation not permitted (EPERM)\n"
    assert run(monkeypatch, capsys)[2] == text + "".join(SAID)


@pytest.mark.parametrize(
    "words",
    [["--max-events", "3"], ["--buffer", "perf"], ["--buffer-size", "1M"], ["--fail-on-loss"]],
    ids=" ".join,
)
def test_options_about_events(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    text = f"pybpf: error: {words[0]} is about events, and hist_blockio has none: it counts\n"
    assert run(monkeypatch, capsys, *words) == (2, "", text)
