"""What this kernel can do: found by trying, once a process; never read off its version.

Each function returns a `Feature`, which is true when the kernel has it and says why when not.
"""

from pybpf.features.attachments import bpf_lsm, iterator, netfilter
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
)

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
    "vmlinux_btf",
]
