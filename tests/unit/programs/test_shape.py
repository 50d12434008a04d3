"""What holds for every program: short, described, lowered alike wherever it is lowered."""

from __future__ import annotations

from pathlib import Path

import pytest

from pybpf import btf
from pybpf.dsl import lower
from pybpf.gadget import programs
from pybpf.spec import Target

PROGRAMS = sorted((Path(__file__).parents[3] / "programs").glob("*.py"))
PORTABLE = Target("portable", btf.reference(), portable=True)


@pytest.fixture(params=PROGRAMS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def test_it_is_short_and_says_what_it_does(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= (180 if path.stem == "trace_fsslower" else 100)
    program = programs.load(str(path))
    assert program.name == path.stem
    assert program.description.endswith(".")


@pytest.mark.parametrize("buffer", ["ringbuf", "perf"])
def test_it_is_lowered_for_any_kernel_and_alike_each_time(path: Path, buffer: str) -> None:
    specs = [lower(programs.load(str(path)).declarations, {}, PORTABLE, buffer=buffer) for _ in range(2)]
    codes = [[(each.name, each.type, each.code) for each in spec.programs] for spec in specs]
    assert codes[0] == codes[1]
    assert all(code for _, _, code in codes[0])
