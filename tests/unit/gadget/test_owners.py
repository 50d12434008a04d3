"""The container that an event comes from: found by its process, remembered for its mount namespace."""

from __future__ import annotations

import time

import pytest

import pybpf.containers
from pybpf.containers import Container, Pod
from pybpf.gadget import owners
from pybpf.gadget.clock import Clock
from pybpf.gadget.fields import fields
from pybpf.gadget.output.json import JsonLines
from pybpf.gadget.owners import Owners
from pybpf.gadget.process import MountNamespace
from pybpf.spec import Int, Struct

U32 = Int("u32", 4)
LAYOUT = Struct("Event", [("proc", Struct("Process", [("pid", U32), ("mntns_id", MountNamespace)]))])
WEB = Container("docker", "ab" * 32, "web")
APP = Container("containerd", "cd" * 32, "app", "redis:7", Pod("prod", "shop", "", "app"))
HOST = 1


class Host:
    """The containers of processes, as a test sets them; `asked` are those that were looked at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.inside: dict[int, Container] = {}
        self.gone: set[int] = set()
        self.asked: list[int] = []
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(owners, "host", lambda: (HOST, ""))
        monkeypatch.setattr(pybpf.containers, "identify", self.identify)
        monkeypatch.setattr(owners.os.path, "exists", lambda path: int(path.split("/")[2]) not in self.gone)

    def identify(self, root: str, pid: int) -> Container | None:
        self.asked.append(pid)
        return self.inside.get(pid)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(monkeypatch)


def test_fields(host: Host) -> None:
    host.inside = {10: WEB, 11: APP}
    known = Owners(LAYOUT)
    known.note([(10, 7), (11, 8), (12, HOST), (13, 9)])
    form = JsonLines(fields(LAYOUT, Clock(), [known.fields]))
    assert form.lines([(10, 7), (11, 8), (12, HOST), (13, 9)]).splitlines() == [
        '{"proc":{"mntns_id":7,"pid":10},"runtime":{"containerId":"' + "ab" * 32 + '","containerName":"web",'
        '"runtimeName":"docker"}}',
        '{"k8s":{"containerName":"app","namespace":"prod","podName":"shop"},"proc":{"mntns_id":8,"pid":11},'
        '"runtime":{"containerId":"' + "cd" * 32 + '","containerImageName":"redis:7","containerName":"app",'
        '"runtimeName":"containerd"}}',
        '{"proc":{"mntns_id":1,"pid":12}}',
        '{"proc":{"mntns_id":9,"pid":13}}',
    ]
    assert sorted(host.asked) == [10, 11, 13]


def test_a_namespace_is_looked_at_once_a_second(host: Host) -> None:
    host.inside = {10: WEB, 20: APP}
    known = Owners(LAYOUT)
    known.note([(10, 7), (11, 7)])
    known.note([(10, 7)])
    host.now += 0.9
    known.note([(10, 7)])
    assert host.asked == [11]  # the last of a batch
    host.now += 0.2
    known.note([(20, 7)])  # the number is another container's now
    assert known._known[7][1] == APP


def test_a_process_that_is_gone_tells_nothing(host: Host) -> None:
    host.inside = {10: WEB}
    known = Owners(LAYOUT)
    known.note([(10, 7)])
    host.now += 2
    host.gone = {11}
    known.note([(11, 7)])
    assert known._known[7][1] == WEB
    host.now += 2
    known.note([(12, 7)])
    assert known._known[7][1] is None


def test_a_layout_without_a_mount_namespace(host: Host) -> None:
    known = Owners(Struct("Event", [("pid", U32)]))
    known.note([(10,)])
    assert (host.asked, list(known.fields(LAYOUT))) == ([], [])
