"""Memory that is shared with the kernel, waiting for it, and the order of reads from it."""

from __future__ import annotations

import mmap
import select
from _thread import allocate_lock  # threading.Lock, without all that comes with it
from collections.abc import Iterable

from pybpf.sys import explain
from pybpf.sys.memlock import with_memlock

__all__ = ["PAGE", "Pages", "Poller", "fence"]

PAGE = mmap.PAGESIZE


def fence() -> None:
    """No load after this is done before a load ahead of it, nor a store after it before a load ahead of it.

    x86 keeps that order by itself. aarch64 doesn't, and Python has no barrier; but a lock's release is a
    store-release and its acquiring a load-acquire (both in glibc's semaphores and in CPython's own locks),
    and the architecture orders all before a store-release ahead of all after a later load-acquire
    (Arm ARM, B2.3, "barrier-ordered-before"). The lock is a new one, since another thread may be here too.
    """
    lock = allocate_lock()
    lock.acquire()
    lock.release()
    lock.acquire()


class Pages:
    """Owner of mapped memory. `words64` and `words32` are views of it as native integers.

    An aligned integer of a view is loaded and stored at once, not byte by byte: CPython copies it with a
    memcpy of constant size, which compilers make one instruction.
    """

    def __init__(self, fd: int, size: int, offset: int = 0, writable: bool = False) -> None:
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)

        def attempt() -> mmap.mmap:
            try:
                return mmap.mmap(fd, size, mmap.MAP_SHARED, protection, offset=offset)
            except OSError as error:
                call = f"mmap({size} bytes)"
                raise explain.error(call, error.errno or 0, ("CAP_IPC_LOCK",)) from None

        self._map = with_memlock(attempt)
        self._bytes = memoryview(self._map)
        self.words64 = self._bytes.cast("Q")
        self.words32 = self._bytes.cast("I")

    def copy(self, start: int, stop: int) -> bytes:
        return self._map[start:stop]

    def close(self) -> None:
        for view in (self.words32, self.words64, self._bytes):
            view.release()
        self._map.close()


class Poller:
    """Owner of an epoll descriptor that is readable when one of `fds` is."""

    def __init__(self, fds: Iterable[int]) -> None:
        self._epoll = select.epoll()
        for fd in fds:
            self._epoll.register(fd, select.EPOLLIN)

    def fileno(self) -> int:
        return self._epoll.fileno()

    def wait(self, timeout_s: float | None) -> bool:
        """Wait until one is readable; False when `timeout_s` seconds are over first (None: no end)."""
        return bool(self._epoll.poll(timeout_s))

    def close(self) -> None:
        self._epoll.close()
