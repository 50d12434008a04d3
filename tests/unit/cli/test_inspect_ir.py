"""`pybpf inspect --show ir`: what a program is after each stage, and which stages there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pybpf.cli import main
from pybpf.codegen import OPTIONAL, STAGES

PROBE = '''
"""Count."""

from pybpf import Gadget
from pybpf.dsl import Events, HashMap, Record, kprobe, u64

gadget = Gadget("small", columns="n")


class Event(Record):
    n: u64


events = Events("events", Event)
counts = HashMap("counts", u64, u64, max_entries=16)


@kprobe("f")
def probe(n: u64):
    if n > 3:
        del counts[n * 4]
'''

LOWERED = """\
; after lowered
probe:
  entry:
    %0 = context
    %1 = load64 %0 +112
    set n %1
    %2 = get n
    branch64 gt %2 3 then else
  then:
    %3 = get n
    %4 = mul64 %3 4
    begin the key of counts
    store64 slot[the key of counts] %4
    %5 = call map_delete_elem map[counts] slot[the key of counts]
    jump join
  else:
    jump join
  join:
    exit 0
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "small.py"
    path.write_text(PROBE)
    return str(path)


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["inspect", *words]) == 0
    return capsys.readouterr().out


def test_one_stage(capsys: pytest.CaptureFixture[str], file: str) -> None:
    assert shown(capsys, file, "--show", "ir", "--stage", "lowered") == LOWERED


def test_every_stage_once_it_has_changed_something(capsys: pytest.CaptureFixture[str], file: str) -> None:
    out = shown(capsys, file, "--show", "ir")
    assert out.startswith(LOWERED + "\n; after thread\n")
    assert set(re.findall(r"(?m)^; after (\w+)", out)) == set(STAGES)
    assert out.count("probe:\n") + out.count(": no change\n") == out.count("; after ")
    assert "; after blocks: no change\n\n; after ssa\n" in out


def test_passes_that_are_off(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    for passes, left in (
        ("none", ["lowered", "ssa", "reads", "select", "registers"]),
        ("-dce,-blocks", [name for name in STAGES if name not in ("dce", "blocks")]),
        ("all", list(STAGES)),
        ("", list(STAGES)),
    ):
        monkeypatch.setenv("PYBPF_PASSES", passes)
        out = shown(capsys, file, "--show", "ir")
        assert list(dict.fromkeys(re.findall(r"(?m)^; after (\w+)", out))) == left


@pytest.mark.parametrize(
    ("words", "passes", "error"),
    [
        (
            ["--show", "ir", "--stage", "simplfy"],
            "",
            f"no stage 'simplfy' (did you mean 'simplify'?): there are {', '.join(STAGES)}",
        ),
        (["--stage", "dce"], "", "--stage goes with --show ir"),
        (
            ["--show", "ir"],
            "dec",
            f"PYBPF_PASSES: no pass 'dec' (did you mean 'dce'?): there are {', '.join(OPTIONAL)}",
        ),
    ],
)
def test_errors(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    words: list[str],
    passes: str,
    error: str,
) -> None:
    monkeypatch.setenv("PYBPF_PASSES", passes)
    assert main(["inspect", file, *words]) == 2
    assert capsys.readouterr().err == f"pybpf: error: {error}\n"


def test_run_takes_the_passes_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    monkeypatch.setenv("PYBPF_PASSES", "nothing")
    assert main(["run", file]) == 2
    assert capsys.readouterr().err.startswith("pybpf: error: PYBPF_PASSES: no pass 'nothing'")
