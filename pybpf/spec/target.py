"""For which kernel a program is lowered: data, and nothing else."""

from __future__ import annotations

from typing import NamedTuple

from pybpf.btf import Btf

__all__ = ["ARCHITECTURES", "PORTABLE_FEATURES", "Arch", "Target"]


class Arch(NamedTuple):
    """The names, in the kernel's `struct pt_regs`, of the registers of its C calling convention."""

    name: str
    arguments: tuple[str, ...]
    result: str
    syscall_prefix: str


ARCHITECTURES = {
    "x86_64": Arch("x86_64", ("di", "si", "dx", "cx", "r8", "r9"), "ax", "__x64_"),
}

# What the portable target takes for granted: Linux 5.8.
PORTABLE_FEATURES = frozenset({"ringbuf", "probe_read_kernel", "ktime_get_boot_ns", "jmp32"})


class Target(NamedTuple):
    """`lower()` gives the same bytes for the same target on every machine.

    `features` names what the kernel can do, as far as generated code depends on it:
    `jmp32` (5.1), `probe_read_kernel` (5.5), `ringbuf` and `ktime_get_boot_ns` (5.8), `stack_index` (5.12),
    `rdonly_cast` (6.2), `isa_v4` (6.6).
    A `portable` target keeps parameters as variables in `.rodata`; otherwise they are constants.
    """

    name: str
    btf: Btf
    features: frozenset[str] = PORTABLE_FEATURES
    arch: Arch = ARCHITECTURES["x86_64"]
    portable: bool = False
