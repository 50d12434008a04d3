"""Where each type of a large BTF starts, kept in the user's cache: a walk over all of it is spared next time.

The file is `$XDG_CACHE_HOME/pybpf/btf/SIZE-CRC.index`, by default below ~/.cache: a header, then the index of
each type's first word. The file's name and header have the size and CRC-32 of the BTF that it is of, and the
header the CRC-32 of what follows it. A file that is damaged, or of something else, or of another user, is not
used; one that can't be written is not missed.
"""

from __future__ import annotations

import os
import stat
import zlib
from array import array
from contextlib import suppress
from struct import Struct

__all__ = ["load", "save"]

# In this machine's order, which is so checked, too: the name, the BTF's size and CRC, the index's CRC.
_HEADER = Struct("=8sQII")
_NAME = b"pybpfbt1"


def _folder() -> str:
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(home, "pybpf", "btf")


def _is_ours(folder: str) -> bool:
    """Whether it is this user's, or would be made in one that is: root writes nothing into others' homes."""
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    info = os.lstat(folder)
    return stat.S_ISDIR(info.st_mode) and info.st_uid == os.geteuid() and not info.st_mode & 0o002


def _path(data: bytes, crc: int) -> str:
    return os.path.join(_folder(), f"{len(data)}-{crc:08x}.index")


def load(data: bytes) -> array[int] | None:
    """The index of the BTF in `data`; None when there is none that is sound."""
    crc = zlib.crc32(data)
    try:
        with open(_path(data, crc), "rb", buffering=0) as file:
            # What another user wrote is not ours to trust.
            content = file.readall() if os.fstat(file.fileno()).st_uid == os.geteuid() else b""
    except OSError:
        return None
    body = memoryview(content)[_HEADER.size :]
    if len(body) % 4 or content[: _HEADER.size] != _HEADER.pack(_NAME, len(data), crc, zlib.crc32(body)):
        return None
    found = array("I")
    found.frombytes(body)
    return found


def save(data: bytes, starts: array[int]) -> None:
    """Keep the index of the BTF in `data`, all or nothing; a failure goes unsaid."""
    body = starts.tobytes()
    crc = zlib.crc32(data)
    path = _path(data, crc)
    new = f"{path}.{os.getpid()}"
    with suppress(OSError):
        if not _is_ours(os.path.abspath(_folder())):
            return
        os.makedirs(_folder(), 0o700, exist_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with open(descriptor, "wb") as file:
                file.write(_HEADER.pack(_NAME, len(data), crc, zlib.crc32(body)) + body)
            os.replace(new, path)
        except OSError:
            os.unlink(new)
            raise
