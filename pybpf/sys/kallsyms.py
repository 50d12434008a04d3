"""The kernel's symbols, and which of them can be probed."""

from __future__ import annotations

import bisect
import functools
import re
from collections.abc import Iterable

from pybpf.sys import tracefs
from pybpf.sys.files import read_bytes

__all__ = [
    "address_of",
    "addresses",
    "find",
    "names_at",
    "nearest",
    "notrace",
    "readable",
    "starting_with",
]


def _text() -> bytes:
    return _text_with(read_bytes("/proc/modules"))


@functools.lru_cache(maxsize=1)
def _text_with(modules: bytes) -> bytes:
    """The symbols, read again when a module has come or gone."""
    return read_bytes("/proc/kallsyms")


# The functions that have been looked for in a text: it is long, and they are asked for again. Of each name,
# the modules and addresses of all that have it.
_searched = [b""]
_found: dict[str, list[tuple[str, int]]] = {}


def _search(names: Iterable[str]) -> dict[str, list[tuple[str, int]]]:
    """The functions of these names: `""` stands for no module, and 0 for an address that is hidden.

    A line is `ffffffff81000000 T name` or, of a module, `… t name\\t[module]`. Data is left out.
    """
    text = _text()
    if _searched[0] is not text:
        _searched[:] = [text]
        _found.clear()
    names = set(names)
    new = names - _found.keys()
    _found.update({name: [] for name in new})
    if new:
        # The address stands before what is looked for: to begin with it takes ten times as long.
        pattern = rb" [tTwW] (%s)(?:\t\[([^\]\n]*)\])?$" % "|".join(map(re.escape, new)).encode()
        for found in re.finditer(pattern, text, re.MULTILINE):
            address = text[text.rfind(b"\n", 0, found.start()) + 1 : found.start()]
            _found[found[1].decode()].append(((found[2] or b"").decode(), int(address, 16)))
    return {name: _found[name] for name in names}


def find(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Functions of those names: name -> the module of each, `""` for none; what isn't there is left out."""
    return {name: tuple(module for module, _ in found) for name, found in _search(names).items() if found}


def readable() -> bool:
    """Did this process get to see the symbols at all?"""
    return bool(_text())


def starting_with(name: str) -> set[str]:
    """Functions whose names begin as `name` does, by a third of it: where to look for names like it."""
    start = re.escape(name[: max(4, len(name) // 3)]).encode()
    return {found.decode() for found in re.findall(rb" [tTwW] (%s[\w.]*)" % start, _text())}


def address_of(name: str) -> int:
    """The address of a symbol of the kernel itself; 0 when it has none or addresses are hidden."""
    found = re.search(rb"^([0-9a-f]+) \w %s$" % re.escape(name).encode(), _text(), re.MULTILINE)
    return int(found[1], 16) if found else 0


def addresses(name: str) -> list[int]:
    """Those of the functions of that name, in the kernel and its modules; none when they are hidden."""
    return [address for _, address in _search([name])[name] if address]


def names_at(addresses: Iterable[int]) -> dict[int, str]:
    """The symbol at each address; addresses at which none begins are not in the result."""
    wanted = b"|".join(b"%016x" % address for address in addresses if address > 0)
    if not wanted:
        return {}
    pattern = rb"^(%s) \w (\S+)" % wanted
    return {int(address, 16): name.decode() for address, name in re.findall(pattern, _text(), re.MULTILINE)}


@functools.cache
def _functions() -> tuple[list[int], list[str]]:
    """Addresses of functions, sorted, and their names."""
    found = re.findall(rb"^([0-9a-f]+) [tTwW] (?!__pfx_)(\S+)", _text(), re.MULTILINE)
    pairs = sorted((int(address, 16), name) for address, name in found)
    return [address for address, _ in pairs], [name.decode() for _, name in pairs]


def nearest(address: int) -> str:
    """The function that an address of the kernel's code lies in; empty when that isn't known."""
    addresses, names = _functions()
    index = bisect.bisect_right(addresses, address) - 1
    return names[index] if index >= 0 and addresses[index] else ""


def notrace(name: str) -> str:
    """Why a function that exists can't be probed, as far as tracefs tells; empty when it seems it can.

    The blacklist holds what kprobes themselves run through. A function without an ftrace call at its start
    is refused unless the kernel has CONFIG_KPROBE_EVENTS_ON_NOTRACE.
    """
    word = re.compile(rb"(?:^|\s)%s(?:\s|$)" % re.escape(name).encode(), re.MULTILINE)
    if word.search(read_bytes("/sys/kernel/debug/kprobes/blacklist")):
        return "it is on the kernel's kprobe blacklist"
    functions = tracefs.read("available_filter_functions")
    if functions and not word.search(functions):
        return "it is built notrace"
    return ""
