"""`pybpf replay` from its file to its output, and what it says about the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from pybpf.cli import main
from pybpf.events import Loss
from pybpf.gadget.clock import Clock
from pybpf.gadget.fields import fields
from pybpf.gadget.programs import load
from pybpf.gadget.recording.recorder import Recorder

PROGRAM = load("trace_fsslower")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """What 40 reads and writes were, some of them slow; two more were lost."""
    declared = PROGRAM.declarations.events
    assert declared is not None
    clock = Clock()
    clock.state = 1_709_208_000_000_000_000, 0
    path = tmp_path / "slow"
    names = [leaf.name for leaf in declared.layout.leaves()]
    with Recorder(str(path), PROGRAM, declared.layout, fields(declared.layout, clock), clock) as recorder:
        for number in range(40):
            given = {"timestamp": number + 1, "proc.comm": b"cat", "proc.pid": 100, "proc.parent.comm": b""}
            given.update({"delta_us": number * 1000, "op": number % 2, "file": b"f%d\0" % number})
            recorder.batch([tuple(given.get(name, 0) for name in names)])
        recorder.lost([Loss(cpu=2, lost=2, total=2, position=40)])
    return path


def run(capsys: pytest.CaptureFixture[str], path: Path, *words: str) -> tuple[int, str, list[str]]:
    status = main(["replay", str(path), *words])
    captured = capsys.readouterr()
    first, *rest = captured.err.splitlines()
    assert first.startswith("pybpf: replaying trace_fsslower, begun at 20")
    return status, captured.out, rest


LOST = ["pybpf: warning: 2 events lost (CPU 2: 2), 2 until now"]


def test_the_columns_of_the_program(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    status, out, said = run(capsys, path, "--max-events", "2")
    assert (status, said) == (0, ["pybpf: 2 events shown, 0 lost"])
    header, *lines = out.splitlines()
    assert header.split() == ["CONTAINER", "COMM", "PID", "TID", "DELTA_US", "OFFSET", "SIZE", "FILE", "OP"]
    assert [line.split() for line in lines] == [
        ["cat", "100", "0", str(number * 1000), "0", "0", f"f{number}", op]
        for number, op in enumerate(("F_READ", "F_WRITE"))
    ]


def test_conditions_and_order(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    words = ["--filter", "delta_us>35000", "--sort", "-delta_us", "--top", "2", "-o", "csv"]
    assert run(capsys, path, *words, "--fields", "file,delta_us,timestamp") == (
        0,
        "file,delta_us,timestamp\r\nf39,39000,2024-02-29T12:00:00.000000040Z\r\n"
        "f38,38000,2024-02-29T12:00:00.000000039Z\r\n",
        [*LOST, "pybpf: 4 events shown of 40, 2 lost (CPU 2: 2)"],
    )


def test_summary(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    status, out, said = run(capsys, path, "--summary", "--by", "op")
    assert (status, said) == (0, [*LOST, "pybpf: 40 events shown, 2 lost (CPU 2: 2)"])
    assert [line.split() for line in out.splitlines()] == [
        ["OP", "COUNT", "TOTAL_US", "P50_US", "P99_US", "MAX_US"],
        ["F_WRITE", "20", "400000", "18944", "38912", "39000"],
        ["F_READ", "20", "380000", "17920", "37888", "38000"],
    ]


def test_json_says_what_was_lost(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    _, out, _ = run(capsys, path, "-o", "json", "--fields", "op_raw")
    assert out.splitlines() == [
        *(f'{{"op_raw":{number % 2}}}' for number in range(40)),
        '{"cpu":2,"kind":"lost","lost":2,"position":40,"total":2}',
    ]


def test_quiet(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    assert main(["replay", str(path), "-q", "-o", "none"]) == 0
    assert capsys.readouterr() == ("", f"{LOST[0]}\n")


def test_a_damaged_file_is_shown_as_far_as_it_is_whole(
    capsys: pytest.CaptureFixture[str], path: Path
) -> None:
    data = bytearray(path.read_bytes())
    data[data.index(b"f7\0")] ^= 1
    path.write_bytes(data[:-100])
    status, out, said = run(capsys, path, "-o", "csv", "--fields", "file")
    assert status == 1
    assert out.split() == ["file", *(f"f{number}" for number in range(39) if number != 7)]
    assert said[0] == "pybpf: 38 events shown, 0 lost"
    assert said[1].startswith(f"pybpf: error: {path} is damaged from byte ")
    assert said[1].endswith(" bytes): what is whole of trace_fsslower was shown")
    assert len(said) == 2
