"""What loaded programs cost, by the kernel's own statistics; and the least that such programs can cost."""

from __future__ import annotations

import contextlib
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pybpf import asm, load
from pybpf.spec import Attach, MapSpec, ObjectSpec, ProgramSpec
from pybpf.sys import Fd, command, object_info, query
from pybpf.uapi import bpf

ROUNDS = 100


class Cost(NamedTuple):
    """Of one program: instructions loaded (xlated, 8 bytes each), and executed a run."""

    loaded: int
    executed: float


def keep_statistics() -> None:
    """Have the kernel count runs of programs and their time, which is instructions under -icount."""
    Path("/proc/sys/kernel/bpf_stats_enabled").write_text("1")


def program_ids() -> Iterator[int]:
    """The ids of all loaded programs."""
    number = 0
    with contextlib.suppress(OSError):
        while True:
            number = query(bpf.BPF_PROG_GET_NEXT_ID, ("next_id",), start_id=number)[1]
            yield number


def costs() -> dict[str, Cost]:
    """The programs that have run, by name."""
    found: dict[str, Cost] = {}
    for number in program_ids():
        with Fd(command(bpf.BPF_PROG_GET_FD_BY_ID, start_id=number), f"program {number}") as fd:
            fields = ("name", "xlated_prog_len", "run_cnt", "run_time_ns")
            name, size, runs, spent = object_info(fd.fileno(), "prog", *fields)
        if runs:
            text = name.rstrip(b"\0").decode()
            while text in found:  # some tracers give several of their programs one name
                text += "'"
            found[text] = Cost(size // 8, spent / runs)
    return found


_STARTS = MapSpec("starts", bpf.BPF_MAP_TYPE_HASH, 8, 32, 8192)
_KEY = "call bpf_get_current_pid_tgid\n*(u32 *)(r10 -8) = r0\n*(u32 *)(r10 -4) = 0\n"
_FIND = "r1 = map[starts]\nr2 = r10\nr2 += -8\n"
_VALUE = "".join(f"*(u64 *)(r10 {offset}) = 0\n" for offset in (-40, -32, -24, -16))
_UPDATE = _VALUE + _FIND + "r3 = r10\nr3 += -40\nr4 = 0\ncall bpf_map_update_elem\n"
_LOOKUP = _FIND + "call bpf_map_lookup_elem\nif r0 == 0 goto out\nr6 = *(u64 *)(r0 +0)\n"
_DELETE = _FIND + "call bpf_map_delete_elem\n"
_COMPARE = "call bpf_ktime_get_ns\nr0 -= r6\nif r0 <= 10000000 goto out\n"
_END = "out: r0 = 0\nexit\n"

# Hand-written, one more step each. There is no way for a program to take an element out with one call.
EXIT = {
    "statistics, call and return": "",
    "get_current_pid_tgid, key": _KEY,
    "map_lookup_elem": _KEY + _LOOKUP,
    "map_delete_elem": _KEY + _LOOKUP + _DELETE,
    "ktime_get_ns, comparison": _KEY + _LOOKUP + _DELETE + _COMPARE,
}
ENTRY = {
    "statistics, call and return": "",
    "get_current_pid_tgid, key": _KEY,
    "value, map_update_elem": _KEY + _UPDATE,
    "ktime_get_ns": _KEY + "call bpf_ktime_get_ns\n" + _UPDATE,
}


def floor(steps: dict[str, str], present: bool) -> dict[str, Cost]:
    """What programs of each step cost; with the thread's start in the map before each run, or without."""
    key = struct.pack("<II", threading.get_native_id(), 0)
    found = {}
    for number, (step, text) in enumerate(steps.items()):
        name = f"floor_{number}"
        code = tuple(asm.parse(text + _END))
        program = ProgramSpec(name, bpf.BPF_PROG_TYPE_RAW_TRACEPOINT, code, Attach("raw_tracepoint", ()))
        with load.load(ObjectSpec("floor", (program,), (_STARTS,))) as loaded:
            for _ in range(ROUNDS):
                if present:
                    loaded.maps["starts"].update(key, bytes(32))
                loaded.programs[name].test_run(context=bytes(24))
                if not present:
                    with contextlib.suppress(KeyError):
                        loaded.maps["starts"].delete(key)
            found[step] = costs()[name]
    return found
