"""Which containers are wanted, and what the kernel's map of wanted mount namespaces holds."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pybpf.containers import Container, Pod
from pybpf.errors import SyscallError, UsageError
from pybpf.gadget import mount_namespaces
from pybpf.gadget.mount_namespaces import Filter, Wanted, namespace_of

WEB = Container("docker", "ab" * 32, "web", pod=Pod("prod", "shop-5d8", "", "app"))
DB = Container("podman", "cd" * 32, "db")


@pytest.mark.parametrize(
    ("wanted", "web", "db"),
    [
        (Wanted(), False, False),
        (Wanted(namespaces=(7,)), False, False),
        (Wanted(all=True), True, True),
        (Wanted(containers=("web",)), True, False),
        (Wanted(containers=("w", "db")), True, True),
        (Wanted(containers=("abab",)), True, False),
        (Wanted(containers=("app",)), True, False),  # as its pod calls it
        (Wanted(containers=("eb",)), False, False),
        (Wanted(pods=("shop",)), True, False),
        (Wanted(pod_namespaces=("prod",)), True, False),
        (Wanted(pod_namespaces=("pro",)), False, False),
        (Wanted(containers=("web",), pods=("other",)), False, False),
        (Wanted(all=True, pods=("shop",)), True, False),
    ],
)
def test_wanted(wanted: Wanted, web: bool, db: bool) -> None:
    assert (wanted.wants(WEB), wanted.wants(DB)) == (web, db)


class Host:
    """Containers by mount namespace, as a test sets them."""

    PERIOD = 0.5

    def __init__(self) -> None:
        self.found: dict[int, Container] = {}

    def refresh(self) -> bool:
        return True


class Full(dict[int, int]):
    def __setitem__(self, key: int, value: int) -> None:
        if len(self) == 2:
            raise SyscallError("bpf(BPF_MAP_UPDATE_ELEM)", errno.E2BIG)
        super().__setitem__(key, value)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    found = Host()
    monkeypatch.setattr(mount_namespaces, "Containers", lambda: found)
    return found


def test_containers_that_come_and_go(host: Host) -> None:
    inside: dict[int, int] = {}
    host.found = {1: WEB, 2: DB}
    filter = Filter(inside, Wanted(namespaces=(9,), containers=("web",)), pytest.fail)  # type: ignore
    assert inside == {9: 1, 1: 1}
    host.found = {2: DB, 3: WEB}
    filter.update()
    assert inside == {9: 1, 3: 1}
    host.found = {9: DB}  # one that is wanted whoever is in it
    filter.update()
    assert inside == {9: 1}
    del inside[9]  # by somebody else
    host.found = {}
    filter.update()


def test_a_full_map_is_said_once(host: Host) -> None:
    said: list[str] = []
    host.found = {1: WEB, 2: WEB, 3: WEB}
    filter = Filter(Full(), Wanted(all=True), said.append)  # type: ignore
    filter.update()
    (text,) = said
    assert text.startswith("not all containers are traced, there are too many of them: bpf(BPF_MAP_UPDATE")
    host.found = {3: WEB}
    filter.update()
    assert filter._map == {3: 1}  # there is room again


def test_the_namespace_of_a_process() -> None:
    assert namespace_of(os.getpid()) == Path("/proc/self/ns/mnt").stat().st_ino
    with pytest.raises(UsageError, match="there is no process 4294967295"):
        namespace_of(4294967295)
