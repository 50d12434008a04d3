"""What is kept of programs is used when all is as it was, is then no different, and in no other case."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pybpf import asm, btf
from pybpf.dsl import lower
from pybpf.gadget import kept, programs
from pybpf.gadget.clock import Clock
from pybpf.gadget.fields import fields
from pybpf.gadget.host import HostBuild
from pybpf.gadget.plain import to_plain
from pybpf.load.attach_target import Target
from pybpf.load.ready import prepare
from pybpf.spec import Attach, Function
from pybpf.spec import Target as Kernel
from pybpf.sys import boot

SHIPPED = sorted(programs.shipped())
KERNEL = Kernel("some", btf.reference())
PROGRAM = '''"""Count opens."""
import enum
from pybpf import Events, Gadget, Param, Record, kprobe, u64

gadget = Gadget("opens", columns="count:opens")
least = Param("least", u64, 7, "not fewer than this")

class Way(enum.IntFlag):
    READ = 1

class Event(Record):
    count: u64
    way: Way

events = Events("events", Event)

@kprobe("vfs_open")
def on_open():
    event = events.reserve()
    if not event:
        return
    event.count = least
    event.way = Way.READ
    events.submit(event)
'''
OLD = time.time() - 3600


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(kept, "_SETTLED", -(10**18))  # this checkout may be a new one
    kept._sources.cache_clear()
    yield tmp_path / "cache" / "pybpf" / "programs"
    kept._sources.cache_clear()


@pytest.fixture
def opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A program that comes with pybpf, for this test."""
    path = tmp_path / "programs" / "opens.py"
    path.parent.mkdir()
    path.write_text(PROGRAM)
    os.utime(path, (OLD, OLD))
    monkeypatch.setattr(programs, "shipped", lambda: {"opens": str(path)})
    monkeypatch.setattr(boot, "identity", lambda: "this boot")
    monkeypatch.setattr(boot, "build_id", lambda module: b"build of " + module.encode())
    return str(path)


def is_kept(name: str) -> bool:
    return programs.load(name)._declarations is None


@pytest.mark.parametrize("name", SHIPPED)
def test_a_program_that_is_kept_is_no_different(name: str) -> None:
    first = programs.load(name)
    second = programs.load(name)
    assert (second._declarations is None) == (first.gadget.report is None)
    for program in (first, second):
        assert program.name == name
    assert second.description == first.description
    assert second.gadget.columns == first.gadget.columns
    assert to_plain(second.params) == to_plain(first.params)
    assert [type(each) for each in second.params] == [type(each) for each in first.params]
    if first.events is not None:
        assert second.events is not None
        assert to_plain(second.events) == to_plain(first.events)
        shown = [fields(each.layout, Clock()) for each in (first.events, second.events)]
        assert [each.path for each in shown[1]] == [each.path for each in shown[0]]
        assert second.events.layout.format == first.events.layout.format
    assert [each.name for each in second.declarations.probes] == [
        each.name for each in first.declarations.probes
    ]


@pytest.mark.parametrize("buffer", ["ringbuf", "perf"])
@pytest.mark.parametrize("name", SHIPPED)
def test_a_build_that_is_kept_is_no_different(name: str, buffer: str, opens: str) -> None:
    path = Path(__file__).parents[3] / "programs" / f"{name}.py"
    spec = lower(programs.load(str(path)).declarations, {}, KERNEL, buffer=buffer)
    ready = prepare(spec.programs, spec.maps)
    symbols = {("functions", Function(("a", "b"), True)): "b"}
    kept.keep_build(opens, {"a": 1}, (buffer,), spec, ready, symbols)
    found = kept.build(opens, {"a": 1}, (buffer,))
    assert found is not None
    assert (found.ready, found.symbols, found.modules) == (ready, symbols, {})
    assert found.spec.programs == tuple(each._replace(code=()) for each in spec.programs)
    assert to_plain(found.spec.maps) == to_plain(spec.maps)
    descriptors = {each.name: 100 + number for number, each in enumerate(spec.maps)}
    for each in spec.programs:
        assert found.ready.images[each.name].linked(descriptors) == asm.link(each.code, descriptors)


def test_only_a_program_that_comes_with_pybpf(opens: str, cache: Path) -> None:
    other = Path(opens).with_name("other.py")
    other.write_text(PROGRAM)
    assert [is_kept(str(other)) for _ in range(2)] == [False, False]
    assert not cache.exists()
    assert [is_kept("opens") for _ in range(2)] == [False, True]


def change_file(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(path).write_text(PROGRAM.replace("7", "8"))
    os.utime(path, (OLD, OLD + 1))


def add_file(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = Path(path).with_name("beside.py")
    beside.touch()
    os.utime(beside, (OLD, OLD))


def change_pybpf(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    files = kept._files

    def changed(folder: str) -> Iterator[tuple[str, int, int]]:
        return ((path, size, at + path.endswith("dsl/values.py")) for path, size, at in files(folder))

    monkeypatch.setattr(kept, "_files", changed)


def change_python(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version", "3.99")


@pytest.mark.parametrize("change", [change_file, add_file, change_pybpf, change_python])
def test_not_after_a_change(opens: str, monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    programs.load("opens")
    assert is_kept("opens")
    change(opens, monkeypatch)
    kept._sources.cache_clear()
    assert [is_kept("opens") for _ in range(2)] == [False, True]


def test_not_while_files_may_change_unseen(opens: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_SETTLED", 2_000_000_000)
    os.utime(opens)
    assert [is_kept("opens") for _ in range(2)] == [False, False]


def test_not_when_files_can_not_be_seen(opens: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(folder: str) -> Iterator[tuple[str, int, int]]:
        raise PermissionError

    monkeypatch.setattr(kept, "_files", refused)
    monkeypatch.setattr(kept, "_SETTLED", 0)
    assert [is_kept("opens") for _ in range(2)] == [False, False]


@pytest.mark.parametrize("damage", [lambda raw: raw[:-1], lambda raw: raw[:-1] + b"?", lambda raw: b""])
def test_not_when_it_is_damaged(opens: str, cache: Path, damage: Any) -> None:
    programs.load("opens")
    [file] = cache.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    assert [is_kept("opens") for _ in range(2)] == [False, True]


class TestBuilds:
    """A program for this host: what was loaded for some values, on a kernel."""

    def build(self, **how: Any) -> HostBuild:
        return HostBuild(programs.load("opens"), how.pop("values", {}), keep=True, **how)

    @pytest.fixture
    def made(self, opens: str) -> None:
        spec = lower(programs.load("opens").declarations, {}, KERNEL)
        ready = prepare(spec.programs, spec.maps)
        image = ready.images["on_open"]._replace(target=Target("ext4", 7))
        self.build().keep(spec, ready._replace(images={"on_open": image}), {})

    def test_alike(self, made: None) -> None:
        build = self.build()
        assert build.kept is not None
        assert [each.name for each in build.spec().programs] == ["on_open"]
        assert build.kept.ready.images["on_open"].target == Target("ext4", 7)
        assert build.kept.modules == {"ext4": b"build of ext4"}

    def test_not_with_a_usdt_probe(self, opens: str) -> None:
        spec = lower(programs.load("opens").declarations, {}, KERNEL)
        marked = tuple(each._replace(attach=Attach("usdt.multi", ())) for each in spec.programs)
        ready = prepare(spec.programs, spec.maps)
        self.build().keep(spec._replace(programs=marked), ready, {})
        assert self.build().kept is None

    def test_not_for_another_build_of_a_module(self, made: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(boot, "build_id", lambda module: b"another")
        assert self.build().kept is None

    @pytest.mark.parametrize(
        "how",
        [
            {"values": {"least": 8}},
            {"buffer": "perf"},
            {"size": 4096},
            {"passes": frozenset()},
            {"attach": "kprobe"},
        ],
        ids=lambda how: next(iter(how)),
    )
    def test_not_for_others(self, made: None, how: dict[str, Any]) -> None:
        assert self.build(**how).kept is None

    def test_not_on_another_kernel(self, made: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(boot, "identity", lambda: "another boot")
        assert self.build().kept is None

    def test_not_with_the_types_of_another_kernel(self, made: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("pybpf.btf.source._loaded", {"kernel": btf.reference()})
        assert self.build().kept is None

    def test_not_for_who_did_not_ask(self, made: None) -> None:
        assert HostBuild(programs.load("opens"), {}).kept is None


# What takes long to import, and isn't needed to run a program that is kept.
UNWANTED = """
    ast bz2 dataclasses difflib dis grp inspect ipaddress json linecache lzma pathlib platform shutil socket
    subprocess tempfile threading tokenize traceback unicodedata urllib
    construct elftools cffi
    pybpf.asm pybpf.btf pybpf.codegen pybpf.containers pybpf.dsl pybpf.elf pybpf.helpers pybpf.inspect
    pybpf.isa pybpf.testing pybpf.uapi.helpers pybpf.vm
    pybpf.features.helpers pybpf.gadget.filters pybpf.gadget.report pybpf.load.verifier
"""
START = """
import sys
from pybpf.gadget import kept
kept._SETTLED = -10**18
from pybpf.cli import run
from pybpf.cli.arguments import Parser
parser = Parser("run", "run it")
words = ["trace_fsslower", "--min", "1"]
run.add_arguments(parser, words)
args = parser.parse(words)
program = run.program_of(args)
assert run.values_of(program, args) == {"min": 1}
layout = program.events.layout
view = run.view_of(args, layout, program.gadget.columns, run.fields(layout, run.Clock()), 80)
assert "DELTA_US" in view.form.header
print(*sys.modules)
"""
# What this Python's own argparse and typing take.
BARE = """
import argparse, sys, typing
parser = argparse.ArgumentParser(formatter_class=lambda prog: argparse.HelpFormatter(prog, width=80))
parser.add_argument("-x")
parser.parse_args([])
print(*sys.modules)
"""


def test_what_a_start_does_not_import() -> None:
    first, second, bare = (
        set(subprocess.check_output([sys.executable, "-c", code], text=True).split())
        for code in (START, START, BARE)
    )
    assert "pybpf.dsl" in first
    assert sorted(second.intersection(UNWANTED.split()) - bare) == []
