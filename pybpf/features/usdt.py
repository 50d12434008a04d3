"""What USDT probes the files of this host have, and how programs are attached to them."""

from __future__ import annotations

import functools
import os
from typing import NamedTuple

from pybpf.elf.usdt import Site, sites_of
from pybpf.errors import UsageError, near
from pybpf.features.attachments import uprobe_multi
from pybpf.spec import Usdt
from pybpf.sys import libraries

__all__ = ["Found", "host_usdt", "usdt_sites"]


class Found(NamedTuple):
    """The file that a name led to, the places of the probe in it, and, if there are none, why."""

    path: str
    sites: tuple[Site, ...]
    why: str = ""


@functools.lru_cache(maxsize=64)
def usdt_sites(place: str) -> Found:
    """The places of `file:provider:name`; with `#1` after it, only those whose arguments are the second kind.

    Their arguments may lie elsewhere at each place; the kinds are in the order of the file.
    """
    file, provider, name = place.rsplit(":", 2)
    name, _, kind = name.partition("#")
    path = libraries.find(file)
    if not path:
        return Found("", (), libraries.missing(file))
    try:
        sites = sites_of(os.path.realpath(path))
    except UsageError as error:
        return Found(path, (), str(error))
    except OSError as error:
        return Found(path, (), f"{path} can't be read: {error.strerror}")
    found = tuple(site for site in sites if (site.provider, site.name) == (provider, name))
    if not found:
        known = sorted({f"{site.provider}:{site.name}" for site in sites})
        text = (
            f"no USDT probe {provider}:{name}{near(f'{provider}:{name}', known)}"
            if known
            else "no USDT probes"
        )
        return Found(path, (), f"{path} has {text}")
    if kind:
        wanted = _kinds(found)[int(kind)]
        found = tuple(site for site in found if site.arguments == wanted)
    return Found(path, found)


def _kinds(sites: tuple[Site, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(site.arguments for site in sites))


def host_usdt(place: str) -> Usdt:
    """`spec.Target.usdt` for this host: a file is read when a program has a probe in it."""
    sites = usdt_sites(place).sites
    return Usdt(_kinds(sites), bool(len(sites) > 1 and uprobe_multi()))
