"""Files in the user's cache: what takes long to find out, and can be found out again.

A file is `$XDG_CACHE_HOME/pybpf/NAME`, by default below ~/.cache: a header, the key that says what the
content is of, and the content. The header has the CRC-32 of both. A file that is damaged, or of something
else, or of another user, is not used; one that can't be written is not missed.
"""

from __future__ import annotations

import os
import stat
import zlib
from contextlib import suppress
from struct import Struct

__all__ = ["load", "save"]

# In this machine's order, which is so checked, too: the name, the key's size, the CRC of key and content.
_HEADER = Struct("=8sII")
_NAME = b"pybpfkp1"


def _path(name: str) -> str:
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(home, "pybpf", name)


def _is_ours(folder: str) -> bool:
    """Whether it is this user's, or would be made in one that is: root writes nothing into others' homes."""
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    info = os.lstat(folder)
    return stat.S_ISDIR(info.st_mode) and info.st_uid == os.geteuid() and not info.st_mode & 0o002


def load(name: str, key: bytes) -> memoryview | None:
    """The content that was saved by that name and key; None when there is none that is sound."""
    try:
        # Neither a link's target, nor a pipe, on which nobody may ever write.
        descriptor = os.open(_path(name), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb", buffering=0) as file:
            info = os.fstat(descriptor)
            # What another user wrote, or could have, is not ours to trust.
            ours = stat.S_ISREG(info.st_mode) and info.st_uid == os.geteuid() and not info.st_mode & 0o022
            found = file.readall() if ours else b""
    except OSError:
        return None
    body = memoryview(found)[_HEADER.size :]
    if found[: _HEADER.size] != _HEADER.pack(_NAME, len(key), zlib.crc32(body)) or body[: len(key)] != key:
        return None
    return body[len(key) :]


def save(name: str, key: bytes, content: bytes) -> None:
    """Keep the content, all or nothing; a failure goes unsaid."""
    path = _path(name)
    folder = os.path.dirname(path)
    new = f"{path}.{os.getpid()}"
    body = key + content
    with suppress(OSError):
        if not _is_ours(os.path.abspath(folder)):
            return
        os.makedirs(folder, 0o700, exist_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with open(descriptor, "wb") as file:
                file.write(_HEADER.pack(_NAME, len(key), zlib.crc32(body)) + body)
            os.replace(new, path)
        except OSError:
            os.unlink(new)
            raise
