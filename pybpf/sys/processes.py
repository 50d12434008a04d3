"""Processes: what lies where in their memory, and where their files are."""

from __future__ import annotations

import os
from typing import NamedTuple

from pybpf.sys.files import read_bytes, read_text

__all__ = ["Mapping", "alive", "comm", "mappings", "parse"]


class Mapping(NamedTuple):
    """A part of a process's memory that holds code: from `start` to `end`, the file from `offset` on."""

    start: int
    end: int
    offset: int
    path: str


def parse(text: bytes) -> list[Mapping]:
    """The code in the text of `/proc/PID/maps`; a path such as `[vdso]` is no file."""
    found = []
    for line in text.splitlines():
        place, rights, offset, _, _, *path = line.split(None, 5)
        if b"x" in rights:
            start, end = (int(word, 16) for word in place.split(b"-"))
            found.append(Mapping(start, end, int(offset, 16), os.fsdecode(path[0]) if path else ""))
    return found


def alive(pid: int) -> bool:
    """Is there a process of that number?"""
    return os.path.exists(f"/proc/{pid}")


def comm(tid: int) -> str:
    """The name of a thread; empty when it's gone."""
    return read_text(f"/proc/{tid}/comm")


def mappings(pid: int) -> list[Mapping]:
    """The code of a process now, with paths by which this process can open its files; none when it's gone."""
    found = parse(read_bytes(f"/proc/{pid}/maps"))
    try:
        here = os.readlink("/proc/self/ns/mnt") == os.readlink(f"/proc/{pid}/ns/mnt")
    except OSError:
        return found
    if here:
        return found
    return [
        each._replace(path=f"/proc/{pid}/root{each.path}") if each.path.startswith("/") else each
        for each in found
    ]
