"""Events made by lines in files of tracefs, which are plain files here."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from pybpf import features, link
from pybpf.errors import LoadError, SyscallError
from pybpf.features import Feature
from pybpf.link import event, trace_event, uprobe, uprobe_events
from pybpf.link.trace_event import KPROBES, UPROBES
from pybpf.sys import Fd, processes, tracefs

GROUP = f"pybpf_{os.getpid()}"


@pytest.fixture(autouse=True)
def files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in (KPROBES, UPROBES):
        (tmp_path / name).touch()
    monkeypatch.setattr(tracefs, "path", lambda: str(tmp_path))
    monkeypatch.setattr(tracefs, "tracepoint_id", lambda group, name: 300 if group == GROUP else None)
    monkeypatch.setattr(uprobe, "_found", lambda symbol: (symbol.rpartition(":")[0], 0x1230, ""))
    for name in ("uprobe_events", "kprobe_events"):
        monkeypatch.setattr(features, name, lambda: Feature("it", "4.1"))
    return tmp_path


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What perf_event_open was asked for."""
    asked: list[dict[str, Any]] = []

    def open_event(what: str, cpu: int, *, pid: int = -1, **fields: Any) -> Fd:
        asked.append({"cpu": cpu, "pid": pid, **fields})
        return Fd(os.open("/dev/null", os.O_RDONLY), what)

    monkeypatch.setattr(event.perf, "open_event", open_event)
    monkeypatch.setattr(event, "_connect", lambda program, event, cookie: None)
    monkeypatch.setattr(event.cpus, "online", lambda: (2, 3))
    return asked


@pytest.mark.parametrize(
    ("kind", "symbol", "file", "line"),
    [
        ("uprobe.tracefs", "/lib/x.so:f", UPROBES, "p:{} /lib/x.so:0x1230"),
        ("uretprobe.tracefs", "/lib/x.so:f", UPROBES, "r:{} /lib/x.so:0x1230"),
        ("kprobe.tracefs", "vfs_read+0x4", KPROBES, "p:{} vfs_read+0x4"),
        ("kretprobe.tracefs", "vfs_read", KPROBES, "r:{} vfs_read"),
    ],
)
def test_an_event_goes_with_what_is_attached(
    files: Path, opened: list[dict[str, Any]], kind: str, symbol: str, file: str, line: str
) -> None:
    with link.attach(kind, 3, symbol) as attached:
        assert (attached.kind, attached.symbol) == (kind, symbol)
        (written,) = (files / file).read_text().splitlines()
        name = written.split()[0].partition(":")[2]
        assert name.startswith(f"{GROUP}/{GROUP}_")
        assert written == line.format(name)
    assert (files / file).read_text().splitlines() == [written, f"-:{name}"]
    assert opened == [{"cpu": 2, "pid": -1, "type": 2, "config": 300}]


def test_one_process(opened: list[dict[str, Any]]) -> None:
    uprobe_events.attach(3, "/lib/x.so:f", pid=7).detach()
    assert opened == [{"cpu": -1, "pid": 7, "type": 2, "config": 300}]
    with pytest.raises(LoadError) as caught:
        link.attach("uprobe.tracefs", 3, "/a b:f")
    assert str(caught.value) == ("uprobe.tracefs /a b:f: a path with white space can't be given to tracefs")


def test_a_refusal(monkeypatch: pytest.MonkeyPatch, files: Path, opened: list[dict[str, Any]]) -> None:
    def write(self: tracefs.Appender, line: str) -> None:
        raise SyscallError("write", errno.EINVAL)

    monkeypatch.setattr(tracefs.Appender, "write", write)
    with pytest.raises(LoadError) as caught:
        link.attach("uprobe.tracefs", 3, "/usr:f")
    assert str(caught.value) == (
        "uprobe.tracefs /usr:f: the kernel doesn't take this place in /usr: is it a file that is run?"
    )
    assert opened == []


def test_the_events_of_the_dead_are_removed(monkeypatch: pytest.MonkeyPatch, files: Path) -> None:
    monkeypatch.setattr(processes, "alive", lambda pid: pid == 7)
    lines = "p:pybpf_5/pybpf_5_1 vfs_read\nr32:pybpf_7/pybpf_7_1 vfs_read\np:perf_5/other vfs_read\n"
    (files / KPROBES).write_text(lines)
    (files / UPROBES).write_text("p:pybpf_6/pybpf_6_1 /lib/x.so:0x1230\n")
    assert trace_event.sweep() == ["pybpf_5/pybpf_5_1", "pybpf_6/pybpf_6_1"]
    assert (files / KPROBES).read_text() == f"{lines}-:pybpf_5/pybpf_5_1\n"
    assert (files / UPROBES).read_text().endswith("\n-:pybpf_6/pybpf_6_1\n")
    assert trace_event.sweep() == ["pybpf_5/pybpf_5_1", "pybpf_6/pybpf_6_1"]  # plain files keep their lines
