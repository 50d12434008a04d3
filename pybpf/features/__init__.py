"""What this kernel can do: found by trying, once a process; never read off its version.

Each function returns a `Feature`, which is true when the kernel has it and says why when not. Names are
resolved when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pybpf.features.attachments import bpf_lsm, iterator, netfilter, uprobe_multi
    from pybpf.features.buffers import ringbuf
    from pybpf.features.feature import Feature, require
    from pybpf.features.helpers import ktime_get_boot_ns, probe_read_kernel, rdonly_cast
    from pybpf.features.host import host_target, vmlinux_btf
    from pybpf.features.instructions import isa_v4, jmp32, stack_index
    from pybpf.features.probes import (
        fentry,
        kprobe,
        kprobe_events,
        kprobe_multi,
        kprobe_session,
        perf_link,
        uprobe,
        uprobe_events,
    )
    from pybpf.features.usdt import usdt_sites

__all__ = [
    "Feature",
    "bpf_lsm",
    "fentry",
    "host_target",
    "isa_v4",
    "iterator",
    "jmp32",
    "kprobe",
    "kprobe_events",
    "kprobe_multi",
    "kprobe_session",
    "ktime_get_boot_ns",
    "netfilter",
    "perf_link",
    "probe_read_kernel",
    "rdonly_cast",
    "require",
    "ringbuf",
    "stack_index",
    "uprobe",
    "uprobe_events",
    "uprobe_multi",
    "usdt_sites",
    "vmlinux_btf",
]

_HOMES = {
    "Feature": "feature",
    "bpf_lsm": "attachments",
    "fentry": "probes",
    "host_target": "host",
    "isa_v4": "instructions",
    "iterator": "attachments",
    "jmp32": "instructions",
    "kprobe": "probes",
    "kprobe_events": "probes",
    "kprobe_multi": "probes",
    "kprobe_session": "probes",
    "ktime_get_boot_ns": "helpers",
    "netfilter": "attachments",
    "perf_link": "probes",
    "probe_read_kernel": "helpers",
    "rdonly_cast": "helpers",
    "require": "feature",
    "ringbuf": "buffers",
    "stack_index": "instructions",
    "uprobe": "probes",
    "uprobe_events": "probes",
    "uprobe_multi": "attachments",
    "usdt_sites": "usdt",
    "vmlinux_btf": "host",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    value = globals()[name] = getattr(module, name)
    return value
