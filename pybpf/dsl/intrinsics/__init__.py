"""What the kernel offers a probe, beside what Python has: helpers, kernel memory, kernel functions.

`pybpf.helpers` has all of it by name; a name is resolved when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from pybpf.errors import near
from pybpf.uapi.helpers import HELPERS

__all__ = ["names", "resolve"]

# Where to find what is no helper, or more than one.
_HOMES = {
    name: module
    for module, found in {
        "clock": "ktime_get_boot_ns",
        "context": "context",
        "current": "current",
        "dynptr": "bpf_dynptr",
        "kfunc": "kernel_function",
        "lists": "list_entries",
        "locks": "bpf_spin_lock bpf_timer",
        "path": "full_path",
        "per_cpu": "per_cpu",
        "printk": "printk",
        "raw": "asm helper",
        "seq_printf": "seq_printf",
        "snprintf": "snprintf",
        "strings": "kstr probe_read_kernel_str probe_read_user_str ustr",
        "user_bytes": "ubytes",
        "types": "address_of cast container_of enum_value has_field has_type offset_of sizeof",
    }.items()
    for name in found.split()
}


def names() -> list[str]:
    """All that `resolve` knows."""
    return sorted({*_HOMES, *(name[len("bpf_") :] for name in HELPERS)})


def resolve(name: str) -> Any:
    """The object of that name; raises AttributeError when there is none."""
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    if name == "trace_printk":
        return resolve("printk")
    if name == "loop":
        return import_module("pybpf.dsl.subprograms").loop
    if f"bpf_{name}" not in HELPERS:
        raise AttributeError(f"pybpf.helpers has no {name!r}{near(name, names())}")
    from pybpf.dsl.intrinsics.helper import Helper

    return Helper(name)
