"""Files that commands write: all or nothing, and never through a link that somebody else put there."""

from __future__ import annotations

import os
import stat

__all__ = ["write"]

# Links to what this process has open.
_OWN = ("/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/self/fd/")


def write(path: str, data: bytes) -> None:
    """Write a whole file; raises OSError, and then nothing has changed.

    A new file takes the place of what was there, a link's too; only what is no file (a pipe, /dev/stdout) is
    written to as it is.
    """
    if _is_special(path):
        with open(path, "wb") as file:
            file.write(data)
        return
    folder, name = os.path.split(path)
    new = os.path.join(folder, f".{name}.{os.urandom(6).hex()}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
        os.replace(new, path)
    except BaseException:
        os.unlink(new)
        raise


def _is_special(path: str) -> bool:
    if path.startswith(_OWN):
        return True
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISLNK(mode) or stat.S_ISDIR(mode))
