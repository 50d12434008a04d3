"""Before 5.11 maps and programs count against RLIMIT_MEMLOCK; since then their memory is the cgroup's."""

from __future__ import annotations

import errno
import resource
from typing import Callable, TypeVar

from pybpf.errors import SyscallError
from pybpf.sys import kallsyms

__all__ = ["charged", "limit", "with_memlock"]

_T = TypeVar("_T")


def limit() -> int | None:
    """The bytes of memory that this process may lock; None when there is no limit."""
    soft = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    return None if soft == resource.RLIM_INFINITY else soft


def charged() -> bool:
    """Does this kernel count maps and programs against the limit? By the function that does, 5.3 to 5.10."""
    return bool(kallsyms.find(["bpf_map_charge_init", "bpf_map_precharge_memlock"]))


def _lift() -> bool:
    """Take the limit away; False when there is none, or when this process may not."""
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    if resource.getrlimit(resource.RLIMIT_MEMLOCK) == unlimited:
        return False
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, unlimited)
    except (ValueError, OSError):  # no CAP_SYS_RESOURCE
        return False
    return True


def with_memlock(call: Callable[[], _T]) -> _T:
    """`call()`; if it fails as it does for lack of locked memory, once more without the limit.

    EPERM has many causes, and a kernel doesn't tell which: lifting the limit in vain does no harm.
    """
    try:
        return call()
    except SyscallError as error:
        if error.errno != errno.EPERM or not _lift():
            raise
    return call()
