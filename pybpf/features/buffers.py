"""Where events can be put."""

from __future__ import annotations

import errno
import functools
import mmap

from pybpf.errors import SyscallError
from pybpf.features.feature import Feature
from pybpf.sys import Fd, command
from pybpf.sys.memlock import with_memlock
from pybpf.uapi import bpf

__all__ = ["ringbuf"]


@functools.cache
def ringbuf() -> Feature:
    """BPF_MAP_TYPE_RINGBUF, tried by making the smallest; SyscallError when this process may not."""
    name, since = "ring buffer", "5.8"
    try:
        number = with_memlock(
            lambda: command(
                bpf.BPF_MAP_CREATE,
                map_type=bpf.BPF_MAP_TYPE_RINGBUF,
                max_entries=mmap.PAGESIZE,
                map_name=b"probe",
            )
        )
    except SyscallError as error:
        if error.errno == errno.EPERM:
            raise
        return Feature(name, since, "it has perf buffers only: --buffer perf")
    Fd(number, name).close()
    return Feature(name, since)
