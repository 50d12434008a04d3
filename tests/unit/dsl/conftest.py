"""Probes as text: written to a file, imported, lowered for the reference kernel."""

from __future__ import annotations

import importlib.util
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pybpf import btf
from pybpf.asm import format_statements
from pybpf.dsl import lower
from pybpf.spec import ObjectSpec, Target, Usdt

HEAD = """
import enum
from pybpf.dsl import *
from pybpf.helpers import *

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


# A probe with one place, one with three of two kinds, and one that is not there.
MARKS = {
    "/usr/bin/python3:python:gc__start": Usdt(("-4@%edi 8@-16(%rbp) -1@$-3",)),
    "/lib/x.so:x:twice": Usdt(("8@%rax", "4@%r12d"), multi=True),
    "/lib/x.so:x:gone": Usdt(()),
}


@pytest.fixture
def module(tmp_path: Path) -> Callable[[str], ModuleType]:
    def load(text: str) -> ModuleType:
        path = tmp_path / "probe.py"
        path.write_text(HEAD + textwrap.dedent(text))
        spec = importlib.util.spec_from_file_location("probe", path)
        assert spec is not None
        assert spec.loader is not None
        made = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(made)
        return made

    return load


@pytest.fixture
def lowered(module: Callable[[str], ModuleType]) -> Callable[..., ObjectSpec]:
    def run(text: str, *, portable: bool = False, buffer: str | None = None, **params: Any) -> ObjectSpec:
        target = Target("reference", btf.reference(), portable=portable, usdt=MARKS.get)
        return lower(module(text), params, target, buffer=buffer)

    return run


@pytest.fixture
def listing(lowered: Callable[..., ObjectSpec]) -> Callable[..., str]:
    """The assembly of the only program of a text, stripped."""

    def run(text: str, **options: Any) -> str:
        (program,) = lowered(text, **options).programs
        return "\n".join(line.strip() for line in format_statements(program.code))

    return run
