"""What lies around: file systems of the kernel's own that tools look into, and those that people trace."""

from __future__ import annotations

from pybpf.features.feature import Feature
from pybpf.sys import modules, tracefs
from pybpf.sys.mounts import kernel_type, known_types, mounts

__all__ = ["TRACED", "file_systems", "kernel_file_systems"]

# Type, where it belongs, and what it is for.
_OWN = (
    ("tracefs", "/sys/kernel/tracing", "tracepoints are found by it"),
    ("debugfs", "/sys/kernel/debug", "it tells which functions can't be probed"),
    ("securityfs", "/sys/kernel/security", "it tells whether the kernel is locked down"),
    ("bpf", "/sys/fs/bpf", "objects are pinned in it"),
    ("cgroup2", "/sys/fs/cgroup", "containers are told apart by it"),
)
# Those that trace_fsslower has functions of; their modules have the same names.
TRACED = ("btrfs", "ext4", "fuse", "nfs", "ntfs3", "xfs")


def kernel_file_systems() -> list[Feature]:
    """Which of the kernel's own are mounted, and where."""
    points: dict[str, str] = {}
    for mount in mounts():
        points.setdefault(mount.type, mount.point)
    known = known_types()
    found = []
    for type, point, use in _OWN:
        why = ""
        if type not in known:
            why = f"this kernel was built without it: {use}"
        elif type not in points:
            why = f"it is not mounted: mount -t {type} {type} {point} ({use})"
        elif type == "tracefs":
            why = tracefs.absent()
        found.append(Feature(type, "", why, value=points.get(type, "")))
    return found


def file_systems() -> list[Feature]:
    """Which file systems are there to be traced, and where they are mounted."""
    known = known_types()
    return [_file_system(type, known) for type in TRACED]


def _file_system(type: str, known: set[str]) -> Feature:
    if type in known:
        points = sorted({each.point for each in mounts() if kernel_type(each.type) == type})
        return Feature(type, "", value=f"mounted at {', '.join(points)}" if points else "not mounted")
    if modules.available(type):
        return Feature(type, "", f"its module is not loaded: modprobe {type}")
    return Feature(type, "", "this kernel has no such module")
