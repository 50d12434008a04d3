"""The files of tracefs."""

from __future__ import annotations

import os

from pybpf.errors import SyscallError
from pybpf.sys.fd import Fd
from pybpf.sys.files import read_bytes, read_text
from pybpf.sys.mounts import mounts

__all__ = ["Appender", "absent", "exists", "hidden", "names", "path", "read", "tracepoint_id"]

# Where it is mounted since 4.1, and where it shows through debugfs.
_PLACES = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")


def path() -> str | None:
    """Where tracefs is mounted and may be looked into; None when nowhere."""
    return next((place for place in _PLACES if os.path.exists(f"{place}/events")), None)


def absent() -> str:
    """Why there is no `path`, and what to do; empty when there is."""
    if path() is not None:
        return ""
    if hidden():
        return (
            f"this user may not look into {_PLACES[0]}: run it as root (sudo), or give it CAP_DAC_READ_SEARCH"
        )
    return f"tracefs is not mounted: mount -t tracefs nodev {_PLACES[0]}"


def hidden() -> bool:
    """Is it there, but not for this user?"""
    return path() is None and any(mount.point in _PLACES for mount in mounts())


def exists(name: str) -> bool:
    return os.path.exists(f"{path()}/{name}")


def names(folder: str) -> list[str]:
    """What is in a folder of tracefs; nothing when it can't be read."""
    try:
        return sorted(os.listdir(f"{path()}/{folder}"))
    except OSError:
        return []


def read(name: str) -> bytes:
    """The content of a file of tracefs; empty when it can't be read."""
    return read_bytes(f"{path()}/{name}")


class Appender(Fd):
    """A file of tracefs that takes a command a line, such as `kprobe_events`. Raises SyscallError."""

    def __init__(self, name: str) -> None:
        try:
            # Without O_APPEND, opening it would remove all that it lists.
            fd = os.open(f"{path()}/{name}", os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        except OSError as error:
            raise SyscallError(
                f"open({name})", error.errno or 0, "tracefs must be mounted, for root"
            ) from None
        super().__init__(fd, name)

    def write(self, line: str) -> None:
        """Give it a command. Raises SyscallError."""
        try:
            os.write(self.fileno(), line.encode() + b"\n")
        except OSError as error:
            raise SyscallError(f"write({self.what}, {line!r})", error.errno or 0) from None


def tracepoint_id(category: str, name: str) -> int | None:
    """The number by which perf_event_open knows a tracepoint; None when there is none."""
    text = read_text(f"{path()}/events/{category}/{name}/id")
    return int(text) if text else None
