"""The choice of back-ends for a program, its change when one fails, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pybpf import btf
from pybpf.dsl import lower
from pybpf.errors import LoadError, LoweringError, SyscallError
from pybpf.features.backends import Choice, Wanted
from pybpf.gadget import backends as module
from pybpf.gadget.backends import Backends
from pybpf.gadget.programs import load
from pybpf.spec import Backend, Target

TARGET = Target("reference", btf.reference())
PROGRAM = '''\
"""A test."""
from pybpf import *
gadget = Gadget("test", columns="value")
class Event(Record):
    value: u64
events = Events("events", Event)

@kprobe("a, b|c, d?")
def entry(file: "struct file *", flags: u32):
    pass

@kretprobe("a, c", maxactive=7)
def leave(ret: u64):
    pass

@kprobe("read", syscall=True)
def call(fd: i32, buf: "char *", size: u64):
    pass
'''
ORDER = ("fentry", "multi", "kprobe")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Wanted]:
    """What `choose` was asked; it takes the first of ORDER that wasn't refused."""
    found: list[Wanted] = []

    def choose(wanted: Wanted, wish: str = "auto", refused: Mapping[str, str] | None = None) -> Choice:
        found.append(wanted)
        reasons = dict(refused or {})
        if wish != "auto":
            possible = wish == "fentry" and wanted.symbol != "c"
            return Choice(
                Backend(wanted.symbol, wish) if possible else None, {} if possible else {wish: "no"}
            )
        name = next((name for name in ORDER if name not in reasons), None)
        return Choice(Backend(wanted.symbol, name) if name else None, reasons)

    monkeypatch.setattr(module, "choose", choose)
    monkeypatch.setattr(module.functions, "there", lambda names: set(names) - {"b", "d"})
    return found


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Backends]:
    def made(wish: str = "auto") -> Backends:
        path = tmp_path / "test.py"
        path.write_text(PROGRAM)
        return Backends(load(str(path)).declarations, {}, TARGET, wish)

    return made


def names(backends: Backends) -> dict[str, str]:
    return {each.function: each.name for each in backends.target.backends}


def test_what_is_wanted(asked: list[Wanted], make: Callable[..., Backends]) -> None:
    make()
    assert asked == [
        Wanted("a", entries=1, exits=1, parameters=2, maxactive=7),
        Wanted("c", entries=1, exits=1, parameters=2, maxactive=7),
        Wanted("__x64_sys_read", entries=1, parameters=1),
    ]


def test_falling_back(asked: list[Wanted], make: Callable[..., Backends]) -> None:
    backends = make()
    assert names(backends) == {"a": "fentry", "c": "fentry", "__x64_sys_read": "fentry"}
    assert backends.fall_back("c", "busy")
    assert names(backends) == {"a": "fentry", "c": "multi", "__x64_sys_read": "fentry"}
    assert backends.fall_back("c", "too many")
    assert list(backends.lines()) == [
        "fentry serves a, __x64_sys_read",
        "kprobe serves c (not fentry: busy; not multi: too many)",
    ]
    assert not backends.fall_back("c", "broken")
    assert "c" not in names(backends)
    assert not backends.fall_back("c", "broken")
    assert not backends.fall_back("sched_switch", "it is none of these")


def test_a_program_that_the_kernel_refuses(
    asked: list[Wanted], make: Callable[..., Backends], tmp_path: Path
) -> None:
    """Only for functions that it goes to; a kprobe that is refused would be by others too."""
    backends = make()
    spec = lower(load(str(tmp_path / "test.py")).declarations, {}, TARGET)
    assert backends.refused(LoadError("refused", "call"), spec)
    assert names(backends) == {"a": "fentry", "c": "fentry", "__x64_sys_read": "multi"}
    assert not backends.refused(LoadError("refused", "call"), spec)
    assert backends.refused(SyscallError("bpf", 1), spec)
    assert names(backends) == {"a": "multi", "c": "multi", "__x64_sys_read": "multi"}
    assert not backends.refused(SyscallError("bpf", 1), spec)


def test_a_body_that_can_not_be_lowered_so(asked: list[Wanted], make: Callable[..., Backends]) -> None:
    backends = make()
    assert backends.refused(LoweringError("two kinds of pointers\nand a place"))
    assert set(names(backends).values()) == {"multi"}
    assert all("(not fentry: two kinds of pointers)" in line for line in backends.lines())


def test_a_wish_is_all_or_nothing(asked: list[Wanted], make: Callable[..., Backends]) -> None:
    backends = make("fentry")
    assert backends.impossible == {"c": "fentry: no"}
    assert not backends.fall_back("a", "busy")
    assert not backends.refused(SyscallError("bpf", 1))
    assert make().impossible == {}
