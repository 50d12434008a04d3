"""USDT probes by name: in which file, at which places, and why there are none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pybpf import features
from pybpf.elf.usdt import Site
from pybpf.errors import UsageError
from pybpf.features import Feature
from pybpf.features import usdt as module
from pybpf.features.usdt import Found, host_usdt, usdt_sites
from pybpf.spec import Usdt
from pybpf.sys import libraries

ONE, TWO, AGAIN = (
    Site("app", "one", 16, 0, "8@%rax"),
    Site("app", "one", 32, 8, "4@%edi"),
    Site("app", "one", 48, 0, "8@%rax"),
)
OTHER = Site("app", "other", 64, 0, "")
FILES = {"/lib/x.so": (ONE, TWO, OTHER, AGAIN), "/bin/plain": ()}


@pytest.fixture(autouse=True)
def files(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def sites(path: str) -> tuple[Site, ...]:
        if path == "/etc/text":
            raise UsageError(f"{path} is no ELF file, or damaged: ?")
        if path == "/bin/secret":
            raise PermissionError(13, "Permission denied")
        return FILES[path]

    known = {
        "x": "/lib/x.so",
        **{path: path for path in ("/lib/x.so", "/bin/plain", "/etc/text", "/bin/secret")},
    }
    monkeypatch.setattr(libraries, "find", lambda name: known.get(name, ""))
    monkeypatch.setattr(module, "sites_of", sites)
    monkeypatch.setattr(module.os.path, "realpath", str)
    monkeypatch.setattr(module, "uprobe_multi", lambda: Feature("it", "6.6"))
    usdt_sites.cache_clear()
    yield
    usdt_sites.cache_clear()


@pytest.mark.parametrize(
    ("place", "sites"),
    [
        ("x:app:one", (ONE, TWO, AGAIN)),
        ("/lib/x.so:app:one#0", (ONE, AGAIN)),
        ("x:app:one#1", (TWO,)),
        ("x:app:other", (OTHER,)),
    ],
)
def test_places(place: str, sites: tuple[Site, ...]) -> None:
    assert features.usdt_sites(place) == Found("/lib/x.so", sites)


@pytest.mark.parametrize(
    ("place", "path", "why"),
    [
        ("x:app:on", "/lib/x.so", "/lib/x.so has no USDT probe app:on (did you mean 'app:one'?)"),
        ("/bin/plain:app:one", "/bin/plain", "/bin/plain has no USDT probes"),
        ("/no:app:one", "", "there is no such file: /no"),
        ("/etc/text:app:one", "/etc/text", "/etc/text is no ELF file, or damaged: ?"),
        ("/bin/secret:app:one", "/bin/secret", "/bin/secret can't be read: Permission denied"),
    ],
)
def test_why_there_are_none(place: str, path: str, why: str) -> None:
    assert usdt_sites(place) == Found(path, (), why)
    assert host_usdt(place) == Usdt(())


def test_what_the_host_says_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert host_usdt("x:app:one") == Usdt(("8@%rax", "4@%edi"), multi=True)
    assert host_usdt("x:app:other") == Usdt(("",), multi=False)
    monkeypatch.setattr(module, "uprobe_multi", lambda: Feature("it", "6.6", "no"))
    assert host_usdt("x:app:one") == Usdt(("8@%rax", "4@%edi"), multi=False)
