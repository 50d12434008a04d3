"""Which back-end is chosen for a function, and what is said of those that are not."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from pybpf import btf
from pybpf.btf.build import Builder
from pybpf.errors import SyscallError, UnsupportedFeature
from pybpf.features import Feature, backends
from pybpf.features.backends import Choice, Wanted, choose
from pybpf.spec import BACKENDS, Backend
from pybpf.sys import kallsyms

SYMBOLS = b"""\
ffffffff81000000 T plain
ffffffff81000010 T by_value
ffffffff81000020 t twice
ffffffff81000030 t twice
ffffffff81000040 t unknown
ffffffffc0000000 t in_module\t[mod]
"""
PAIR = {"entries": 1, "exits": 1}
INSIDE = "it goes to a function's beginning and end only"


def types() -> btf.Btf:
    """plain(struct file *, long, const struct inode *, int *) and by_value(struct file)."""
    make = Builder()
    long = make.integer("long int", 8, True)
    file, inode = (make.structure(name, 8, [("f", long, 0, 0)]) for name in ("file", "inode"))
    pointers = [make.pointer(file), long, make.pointer(make.modifier("const", inode)), make.pointer(long)]
    make.function("plain", make.prototype(long, [(f"p{n}", each) for n, each in enumerate(pointers)]))
    make.function("by_value", make.prototype(long, [("file", file)]))
    return btf.parse(make.finish())


@pytest.fixture(autouse=True)
def kernel(monkeypatch: pytest.MonkeyPatch) -> dict[str, Feature]:
    """One that has all; changes to what is returned are changes to it."""
    has = {name: Feature(name, "1.0") for name in ("session", "multi", "kprobe", "tracefs")}
    known = types()

    def module(name: str) -> btf.Btf:
        raise UnsupportedFeature(f"BTF of a module {name!r}", "5.11", "there is none")

    monkeypatch.setattr(kallsyms, "_text", lambda: SYMBOLS)
    monkeypatch.setattr(btf, "kernel", lambda: known)
    monkeypatch.setattr(btf, "module", module)
    monkeypatch.setattr(backends, "_tried", [""])
    monkeypatch.setattr(backends, "kprobe_session", lambda: has["session"])
    monkeypatch.setattr(backends, "kprobe_multi", lambda: has["multi"])
    monkeypatch.setattr(backends, "kprobe", lambda: has["kprobe"])
    monkeypatch.setattr(backends, "kprobe_events", lambda: has["tracefs"])
    return has


def without(has: dict[str, Feature], *names: str) -> None:
    for name in names:
        has[name] = Feature(name, "1.0", "it is old")


@pytest.mark.parametrize(
    ("wanted", "chosen", "refused"),
    [
        (Wanted("plain", **PAIR), "fentry", {}),
        (
            Wanted("in_module", **PAIR),
            "session",
            {"fentry": "this kernel has no BTF of a module 'mod' (since"},
        ),
        (Wanted("in_module", entries=1), "kprobe", {"session": "it serves an entry and a return together"}),
        (
            Wanted("in_module", **PAIR, cookies=True),
            "kprobe",
            {"session": "its entry and return have one cookie"},
        ),
        (Wanted("unknown", **PAIR), "session", {"fentry": "BTF does not describe it"}),
        (Wanted("by_value", **PAIR), "session", {"fentry": "it takes a struct by value"}),
        (Wanted("twice", **PAIR), "session", {"fentry": "2 functions have that name"}),
        (
            Wanted("plain", **PAIR, parameters=5),
            "session",
            {"fentry": "BTF gives it 4 parameters, and a probe has 5"},
        ),
        (Wanted("plain+0x4", entries=1), "kprobe", {"fentry": INSIDE, "session": INSIDE}),
        (Wanted("0xffffffff81000000", entries=1), "kprobe", {"fentry": INSIDE}),
        (
            Wanted("plain+0x4", exits=1, maxactive=8),
            "tracefs",
            {"kprobe": "it can't be told maxactive", "multi": INSIDE},
        ),
    ],
)
def test_the_cheapest_that_can(wanted: Wanted, chosen: str, refused: dict[str, str]) -> None:
    backend, reasons = choose(wanted)
    assert backend is not None
    assert (backend.function, backend.name) == (wanted.symbol, chosen)
    assert list(reasons) == list(BACKENDS[: BACKENDS.index(chosen)])
    for name, why in refused.items():
        assert reasons[name].startswith(why)


def test_what_parameters_point_to() -> None:
    parameters = ("struct file", "", "struct inode", "")
    assert choose(Wanted("plain", **PAIR)) == Choice(Backend("plain", "fentry", parameters), {})


def test_kernels_that_lack_some(kernel: dict[str, Feature]) -> None:
    without(kernel, "session")
    backend, reasons = choose(Wanted("in_module", **PAIR))
    assert backend == Backend("in_module", "kprobe")
    assert reasons["session"] == "this kernel has no session (1.0): it is old"
    without(kernel, "kprobe", "multi", "tracefs")
    assert choose(Wanted("in_module", **PAIR)).backend is None


@pytest.mark.parametrize("name", BACKENDS)
def test_a_wish(name: str) -> None:
    assert (
        choose(Wanted("plain", **PAIR), name).backend
        == choose(
            Wanted("plain", **PAIR), refused={other: "no" for other in BACKENDS if other != name}
        ).backend
    )


def test_a_wish_that_can_not_be() -> None:
    assert choose(Wanted("by_value", **PAIR), "fentry") == Choice(
        None, {"fentry": "it takes a struct by value"}
    )


def test_one_that_failed_is_not_chosen_again() -> None:
    backend, reasons = choose(Wanted("plain", **PAIR), refused={"fentry": "busy"})
    assert (backend, reasons) == (Backend("plain", "session"), {"fentry": "busy"})


def test_programs_that_are_refused_for_all_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tried once, on a function of the kernel's own."""
    tries: list[dict[str, Any]] = []

    def trial(code: bytes, **fields: Any) -> None:
        tries.append(fields)
        raise SyscallError("bpf(BPF_PROG_LOAD)", errno.EPERM, "it is locked down")

    monkeypatch.setattr(backends, "_tried", [])
    monkeypatch.setattr(backends, "trial", trial)
    for _ in range(2):
        backend, reasons = choose(Wanted("plain", **PAIR))
        assert backend == Backend("plain", "session")
        assert reasons["fentry"].endswith("(EPERM): it is locked down")
    assert len(tries) == 1
