"""usdt: a program at the places that the authors of a program or library marked (4.20)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from pybpf import features
from pybpf.errors import LoadError
from pybpf.features.usdt import Found
from pybpf.link import uprobe, uprobe_multi
from pybpf.link.link import Link

__all__ = ["absent", "attach", "attach_multi", "there"]


def there(names: Iterable[str]) -> set[str]:
    """Which of these (`file:provider:name`) there are."""
    return {name for name in names if features.usdt_sites(name).sites}


def absent(name: str) -> str:
    """Why there is no such probe, and what to do."""
    return features.usdt_sites(name).why


def attach(program: int, symbol: str, *, pid: int = -1, cookie: int = 0) -> Link:
    """Run the program (its descriptor) at all places of the probe `file:provider:name`.

    Where the program asks by a semaphore whether anybody listens, it is told so meanwhile. `pid` and `cookie`
    are as uprobe.attach has them. Raises UnsupportedFeature, LoadError (`.name` is the symbol: no such file
    or probe), SyscallError.
    """
    path, sites, _ = _found("usdt", symbol)
    with contextlib.ExitStack() as undo:
        links = []
        for site in sites:
            place = ("usdt", symbol, program, path, site.offset)
            made = uprobe.attach_at(*place, semaphore=site.semaphore, pid=pid, cookie=cookie)
            links.append(undo.enter_context(made))
        undo.pop_all()
    return Link.joined(links)


def attach_multi(program: int, symbol: str, *, pid: int = -1, cookie: int = 0) -> Link:
    """The same by one link (6.6); the program must be loaded for BPF_TRACE_UPROBE_MULTI."""
    path, sites, _ = _found("usdt.multi", symbol)
    places = [(site.offset, site.semaphore) for site in sites]
    return uprobe_multi.attach_at("usdt.multi", symbol, program, path, places, pid=pid, cookie=cookie)


def _found(kind: str, symbol: str) -> Found:
    found = features.usdt_sites(symbol)
    if not found.sites:
        raise LoadError(f"{kind} {symbol}: {found.why}", symbol)
    return found
