"""All that can be found out of a kernel, in groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from pybpf.errors import SyscallError
from pybpf.features.attach_kinds import ATTACH_KINDS, attach_kind
from pybpf.features.buffers import perf_buffer, ringbuf
from pybpf.features.feature import Feature, answered
from pybpf.features.helper_calls import helpers
from pybpf.features.helpers import attach_cookie, ktime_get_boot_ns, probe_read_kernel, rdonly_cast
from pybpf.features.host import modules_btf, vmlinux_btf
from pybpf.features.instruction_sets import instruction_sets
from pybpf.features.limits import limits
from pybpf.features.map_types import MAP_TYPES, map_type
from pybpf.features.probes import perf_link
from pybpf.features.program_types import PROGRAM_TYPES, program_type
from pybpf.features.settings import capabilities, settings
from pybpf.features.surroundings import file_systems, kernel_file_systems

__all__ = ["GROUPS", "Group"]


class Group(NamedTuple):
    """`find` makes the trials; what a `lengthy` group says is more than people want to see unasked."""

    title: str
    find: Callable[[], Iterable[Feature]]
    lengthy: bool = False


def _tried(*probes: Callable[[], Feature]) -> list[Feature]:
    return [answered(probe) for probe in probes]


def _helpers() -> Iterable[Feature]:
    for name, kind in PROGRAM_TYPES.items():
        try:
            found = helpers(name)
        except SyscallError as error:
            yield Feature(name, kind.since, error.why or str(error), not error.lacking)
        else:
            why = "" if found else "this kernel doesn't say"
            yield Feature(name, kind.since, why, bool(found), " ".join(found))


GROUPS = {
    "privilege": Group("What this process may do", capabilities),
    "settings": Group("Settings", settings),
    "attach": Group("What programs can be attached to", lambda: map(attach_kind, ATTACH_KINDS)),
    "links": Group("Links", lambda: _tried(perf_link, attach_cookie)),
    "buffers": Group("Ways to send events", lambda: _tried(ringbuf, perf_buffer)),
    "types": Group("Types (BTF)", lambda: _tried(vmlinux_btf, modules_btf)),
    "instructions": Group("Instructions", instruction_sets),
    "memory": Group("Memory and time", lambda: _tried(probe_read_kernel, rdonly_cast, ktime_get_boot_ns)),
    "programs": Group("Types of programs", lambda: map(program_type, PROGRAM_TYPES)),
    "maps": Group("Types of maps", lambda: map(map_type, MAP_TYPES)),
    "helpers": Group("Helpers that types of programs may call", _helpers, lengthy=True),
    "limits": Group("Limits", limits),
    "mounts": Group("File systems of the kernel's own", kernel_file_systems),
    "filesystems": Group("File systems to trace", file_systems),
}
