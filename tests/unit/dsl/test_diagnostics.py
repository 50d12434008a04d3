"""Each way to err in a probe, and the whole text of what is said of it.

The table is `tests/data/dsl/diagnostics.txt`: after `=== what is wrong` the source of a module, after `---`
the error. Helpers, kernel memory, maps and records have tables of their own beside this file.
"""

from __future__ import annotations

import ast
import linecache
from pathlib import Path
from types import ModuleType

import pytest

from pybpf import btf
from pybpf.dsl import lower
from pybpf.errors import BpfError, LoweringError
from pybpf.spec import Target

TABLE = Path(__file__).parents[2] / "data" / "dsl" / "diagnostics.txt"
# What each module finds there already.
GIVEN = """
import enum
from pybpf.dsl import *
from pybpf.helpers import *

class Op(enum.IntEnum):
    READ, WRITE = range(2)

class Key(Record):
    tid: u32
    op: u32

class Start(Record):
    ts: u64
    start: i64
    dentry: "struct dentry *"

class Event(Record):
    ts: u64
    op: u32
    comm: CString[16]

starts = HashMap("starts", Key, Start, max_entries=16)
counts = HashMap("counts", u64, u64, max_entries=16)
events = Events("events", Event)
limit = Param("limit", u64, 10, "a limit")
who = Param("who", CString[16], b"", "a name")
"""


def parsed(source: str) -> bool:
    """Whether this Python has the syntax: `match` is there since 3.10."""
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


CASES = {
    title: (source, error)
    for title, _, rest in (case.partition("\n") for case in TABLE.read_text().split("=== ")[1:])
    for source, _, error in [rest.partition("---\n")]
}


def error_of(source: str, path: Path) -> str:
    path.write_text(source)
    linecache.checkcache(str(path))
    module = ModuleType("probe")
    module.__file__ = str(path)
    exec(GIVEN, module.__dict__)
    with pytest.raises(BpfError) as caught:  # noqa: PT012
        exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)
        lower(module, {}, Target("reference", btf.reference()))
    return str(caught.value).replace(f"{path.parent}/", "")


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("title", [title for title, (source, _) in CASES.items() if parsed(source)])
def test_error(title: str, tmp_path: Path) -> None:
    source, error = CASES[title]
    assert error_of(source, tmp_path / "probe.py") == error.rstrip("\n")


def test_there_are_many_ways() -> None:
    assert len(CASES) >= 200


def test_an_expression_that_is_nested_too_deeply(tmp_path: Path) -> None:
    source = f'@kprobe("f")\ndef probe(n: u64):\n    counts[1] = {" + ".join(["n"] * 900)}\n'
    text = error_of(source, tmp_path / "probe.py")
    assert ": this is nested too deeply: give its parts names\n" in text


def test_a_probe_without_a_file() -> None:
    module = ModuleType("probe")
    exec(GIVEN, module.__dict__)
    with pytest.raises(LoweringError) as caught:
        exec(compile('@kprobe("f")\ndef probe(n: u64): pass', "<stdin>", "exec"), module.__dict__)
    assert str(caught.value) == (
        "<stdin>:1:1: probe has no source to lower: a probe must be a function that is defined with def in"
        " a file"
    )
