"""Programs are found, loaded, and refused with the place and the cure."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pybpf.errors import BpfError, LoweringError, ProgramNotFound, UsageError
from pybpf.gadget.programs import find, load, shipped, summary

PROBE = '''"""Count opens.

More about it.
"""
from pybpf import Events, Gadget, Param, Record, kprobe, u64

gadget = Gadget("opens", columns="count")
least = Param("least", u64, 7, "not fewer than this")

class Event(Record):
    count: u64

events = Events("events", Event)

@kprobe("vfs_open")
def on_open():
    event = events.reserve()
    if not event:
        return
    event.count = least
    events.submit(event)
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_shipped() -> None:
    assert "trace_fsslower" in shipped()
    assert load("trace_fsslower").name == "trace_fsslower"
    assert find("trace_fsslower") == shipped()["trace_fsslower"]


def test_loaded_from_a_file(folder: Path) -> None:
    (folder / "opens.py").write_text(PROBE)
    before = list(sys.path), set(sys.modules)
    program = load("./opens.py")
    assert (program.name, program.description) == ("opens", "Count opens.")
    assert [probe.name for probe in program.declarations.probes] == ["on_open"]
    assert [param.name for param in program.declarations.params] == ["least"]
    assert (list(sys.path), set(sys.modules)) == before
    assert sorted(path.name for path in folder.iterdir()) == ["opens.py"]


def test_a_file_beside_it_can_be_imported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "opens.py").write_text(
        PROBE.replace("7", "NUMBER").replace("from", "from beside_it import NUMBER\nfrom", 1)
    )
    (folder / "beside_it.py").write_text("NUMBER = 11\n")
    # What stands beside a program hides nothing else.
    (folder / "enum.py").write_text("raise AssertionError\n")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert load("opens.py").declarations.params[0].default == 11
    del sys.modules["beside_it"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "trace_fslower",
            "no program 'trace_fslower' (did you mean 'trace_fsslower'?): `pybpf list` shows all;"
            " a file is given by its path, such as ./my_probe.py",
        ),
        ("opens", "no program 'opens': to run the file here, write ./opens.py"),
        ("./nothing.py", "./nothing.py: there is no such file"),
        ("./", "./: is a folder, not a program"),
    ],
)
def test_not_found(folder: Path, name: str, message: str) -> None:
    (folder / "opens.py").write_text(PROBE)
    with pytest.raises(ProgramNotFound) as raised:
        find(name)
    assert str(raised.value) == message
    assert raised.value.name == name


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        (
            "x = 1\n",
            UsageError,
            'my.py is no program: it has no `gadget = Gadget("my", columns="…")`',
        ),
        (
            "from pybpf import Gadget\ngadget = Gadget('my', columns='a')\n",
            UsageError,
            "my.py has no probes: a probe is a function with @kprobe(…) or @kretprobe(…)",
        ),
        (
            PROBE[: PROBE.index("class Event")] + "@kprobe('vfs_open')\ndef on_open():\n    pass\n",
            UsageError,
            "my.py has nothing to show: it declares no `Events`",
        ),
        (
            "x = 1\0",
            LoweringError,
            "my.py:1:1: this is no Python: source code string cannot contain null bytes",
        ),
        (
            "import no_such_module\n",
            LoweringError,
            f"my.py:1:1: No module named 'no_such_module': install it for {sys.executable}, or put it beside"
            " this file\n    import no_such_module\n    ^",
        ),
        (
            "from pybpf import kprob\n",
            LoweringError,
            "my.py:1:1: ImportError: cannot import name 'kprob' from 'pybpf'",
        ),
        (
            "\nx = 1 / 0\n",
            LoweringError,
            "my.py:2:1: ZeroDivisionError: division by zero\n    x = 1 / 0\n    ^",
        ),
        ("raise SystemExit(3)\n", LoweringError, "my.py:1:1: SystemExit: 3\n    raise SystemExit(3)\n    ^"),
        (
            "from pybpf import Gadget\ngadget = Gadget('my', columns='a:')\n",
            LoweringError,
            "my.py:2:1: 'a:' is no column: write a field's name, such as proc.comm, or FIELD:HEADER",
        ),
    ],
)
def test_refused(folder: Path, text: str, kind: type[BpfError], message: str) -> None:
    (folder / "my.py").write_text(text)
    before = list(sys.path)
    with pytest.raises(kind) as raised:
        load("my.py")
    assert str(raised.value).startswith(message)
    assert type(raised.value) is kind
    assert sys.path == before


def test_a_syntax_error_has_its_place(folder: Path) -> None:
    (folder / "my.py").write_text("x = 1\nif x\n    y = 2\n")
    with pytest.raises(LoweringError) as raised:
        load("my.py")
    assert raised.value.location is not None
    assert raised.value.location[:2] == ("my.py", 2)
    assert str(raised.value).startswith("my.py:2:5: this is no Python: ")
    assert "\n    if x\n        ^" in str(raised.value)


def test_summary(folder: Path) -> None:
    path = folder / "my.py"
    path.write_text(PROBE)
    assert summary(path) == "Count opens."
    path.write_text("x = 1\n")
    assert summary(path) == ""
    path.write_text("x = (\n")
    assert summary(path).startswith("(can't be read: ")
