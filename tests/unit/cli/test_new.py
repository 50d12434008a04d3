"""`pybpf new`: what it writes runs as it is, and its test passes; what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pybpf import btf
from pybpf.cli import main
from pybpf.dsl import lower
from pybpf.gadget.programs import load
from pybpf.spec import Target


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_probe_and_its_test(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "my_probe"]) == 0
    assert capsys.readouterr() == (
        "my_probe.py: a probe; run it by `pybpf run ./my_probe.py`\n"
        "test_my_probe.py: its test; run it by `pytest test_my_probe.py`\n",
        "",
    )
    assert sorted(path.name for path in folder.iterdir()) == ["my_probe.py", "test_my_probe.py"]
    program = load("./my_probe.py")
    assert (program.name, program.description) == (
        "my_probe",
        "Show which files are read, and how much was asked for.",
    )
    for portable in (False, True):
        target = Target("reference", btf.reference(), portable=portable)
        spec = lower(program.declarations, {}, target)
        assert [(each.name, each.attach.kind) for each in spec.programs] == [("on_read", "kprobe")]
    assert main(["inspect", "./my_probe.py"]) == 0
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert (done.returncode, done.stdout.splitlines()[-1].split(" in ")[0]) == (0, "3 passed"), done.stdout


def test_lines_are_not_too_long(folder: Path) -> None:
    assert main(["new", "my_probe"]) == 0
    longest = max(len(line) for path in folder.iterdir() for line in path.read_text().splitlines())
    assert longest <= 110


BAD = "can't be the name of a program: use letters, digits and _"
WRONG = {
    "my-probe.py": f"'my-probe.py' {BAD}, such as my_probe",
    "a b": f"'a b' {BAD}, such as a_b",
    "class": f"'class' {BAD}",
    "1st": f"'1st' {BAD}",
    "": f"'' {BAD}",
    "trace_fsslower": "pybpf has a program of the name 'trace_fsslower': choose another",
}


@pytest.mark.parametrize("name", WRONG)
def test_names_that_it_refuses(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main(["new", name]) == 2
    assert capsys.readouterr() == ("", f"pybpf: error: {WRONG[name]}\n")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("there", ["my_probe.py", "test_my_probe.py"])
def test_nothing_is_overwritten(folder: Path, capsys: pytest.CaptureFixture[str], there: str) -> None:
    (folder / there).write_text("mine\n")
    assert main(["new", "my_probe"]) == 2
    error = f"pybpf: error: {there} is here already: choose another name, or remove it\n"
    assert capsys.readouterr() == ("", error)
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [(there, "mine\n")]


def test_a_folder_that_cannot_be_written_to(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone = folder / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    assert main(["new", "my_probe"]) == 1
    assert capsys.readouterr().err == ("pybpf: error: [Errno 2] No such file or directory: 'my_probe.py'\n")
