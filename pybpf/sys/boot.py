"""What tells the kernel as it runs now from any other, and from itself after what matters has changed."""

from __future__ import annotations

from pybpf.sys.files import read_bytes

__all__ = ["build_id", "identity"]


def identity() -> str:
    """Another one after a boot, when a module came or went, and when what programs may do was changed."""
    # Of a module: its name and size, and the address, but not how many use it.
    words = [line.split() for line in read_bytes("/proc/modules").splitlines()]
    modules = sorted((line[0], line[1], line[-1]) for line in words)
    names = ("kernel/random/boot_id", "net/core/bpf_jit_enable")
    settings = [read_bytes(f"/proc/sys/{name}") for name in names]
    return repr((*settings, read_bytes("/sys/kernel/security/lockdown"), modules))


def build_id(module: str) -> bytes:
    """The note in a loaded module that tells its build from others; empty for none."""
    return read_bytes(f"/sys/module/{module}/notes/.note.gnu.build-id")
