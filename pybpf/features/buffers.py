"""Where events can be put."""

from __future__ import annotations

import errno
import functools
import mmap

from pybpf.errors import SyscallError
from pybpf.features.feature import Feature, answer
from pybpf.sys import Fd, command, cpus, perf
from pybpf.sys.memlock import with_memlock
from pybpf.uapi import bpf, perf_event

__all__ = ["perf_buffer", "ringbuf"]


@functools.cache
def perf_buffer() -> Feature:
    """A perf event into which programs send, one a processor."""

    def try_it() -> None:
        event = perf_event.PERF_COUNT_SW_BPF_OUTPUT
        perf.open_event("trial", cpus.online()[0], type=perf_event.PERF_TYPE_SOFTWARE, config=event).close()

    return answer("perf buffer", "4.4", try_it)


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
