"""Where programs and libraries lie: as the dynamic linker and the shell find them."""

from __future__ import annotations

import functools
import os
import re
import struct
from collections.abc import Iterator

from pybpf.errors import near
from pybpf.sys.files import read_bytes

__all__ = ["find", "missing", "parse"]

_CACHE = "/etc/ld.so.cache"
_MAGIC = b"glibc-ld.so.cache1.1"
# After the magic: the number of entries, the size of the texts, and what newer formats added.
_HEADER = struct.Struct("=20sII20x")
# Flags, where the name and the path are (from the header's start), then what hardware it is for.
_ENTRY = struct.Struct("=iIIIQ")
# Where musl looks, and glibc for what isn't in its cache.
_FOLDERS = ("/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib")


def parse(data: bytes) -> dict[str, list[str]]:
    """Paths by name in the text of `/etc/ld.so.cache` (glibc's cache_file_new, since 2.2)."""
    start = data.find(_MAGIC)  # an older form may stand before it
    if start < 0:
        return {}
    data = data[start:]
    _, count, _ = _HEADER.unpack_from(data)
    found: dict[str, list[str]] = {}
    for index in range(count):
        _, key, value, _, _ = _ENTRY.unpack_from(data, _HEADER.size + index * _ENTRY.size)
        name, path = (
            data[at : data.index(b"\0", at)].decode("utf-8", "surrogateescape") for at in (key, value)
        )
        found.setdefault(name, []).append(path)
    return found


@functools.cache
def _cached() -> dict[str, list[str]]:
    try:
        return parse(read_bytes(_CACHE))
    except (struct.error, ValueError):  # damaged, or of a libc to come
        return {}


def _is_own(path: str) -> bool:
    """Whether it is an ELF file of this process's width, 32 or 64 bits."""
    try:
        with open(path, "rb") as file:
            return file.read(5) == b"\x7fELF" + bytes([struct.calcsize("P") // 4])
    except OSError:
        return False


def find(name: str) -> str:
    """The path of a library (`libc.so.6`, `libc`) or program (`bash`); empty when there is none of that name.

    Of a library whose version isn't given, it is that of the highest.
    """
    if "/" in name:
        return name if os.path.exists(name) else ""
    paths = [*_cached().get(name, ()), *(f"{folder}/{name}" for folder in _FOLDERS)]
    import shutil

    found = next(filter(_is_own, paths), None) or shutil.which(name)
    return found or next(filter(_is_own, _versions(name)), "")


def _versions(name: str) -> Iterator[str]:
    """The paths of the versions of a library, the highest first."""
    version = re.compile(rf"{re.escape(name)}\.so((?:\.\d+)*)")
    matches = filter(None, map(version.fullmatch, _cached()))
    for match in sorted(matches, key=lambda match: [int(n) for n in match[1].split(".")[1:]], reverse=True):
        yield from _cached()[match[0]]


def missing(name: str) -> str:
    """Why `find` finds nothing of that name."""
    if "/" in name:
        return f"there is no such file: {name}"
    return f"no library or program of that name is installed: {name}{near(name, _cached())}"
