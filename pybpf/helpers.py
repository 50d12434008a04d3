"""What the kernel offers a probe: helpers by their names, and the task that it runs in."""

from pybpf.dsl.intrinsics import current, ktime_get_boot_ns, ktime_get_ns, probe_read_kernel_str

__all__ = ["current", "ktime_get_boot_ns", "ktime_get_ns", "probe_read_kernel_str"]
