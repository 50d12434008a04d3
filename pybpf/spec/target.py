"""For which kernel a program is lowered: data, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pybpf.btf import Btf

__all__ = ["ARCHITECTURES", "BACKENDS", "PORTABLE_FEATURES", "Arch", "Backend", "Target", "Usdt"]


class Arch(NamedTuple):
    """The names, in the kernel's `struct pt_regs`, of the registers of its C calling convention.

    `syscalls` are those of a system call's arguments; its function is called `syscall_prefix` and its name.
    """

    name: str
    arguments: tuple[str, ...]
    result: str
    syscall_prefix: str
    syscalls: tuple[str, ...]


ARCHITECTURES = {
    "x86_64": Arch(
        "x86_64",
        arguments=("di", "si", "dx", "cx", "r8", "r9"),
        result="ax",
        syscall_prefix="__x64_sys_",
        syscalls=("di", "si", "dx", "r10", "r8", "r9"),
    ),
}

# How a program gets to run at a kernel function, the cheapest first: by the kernel's trampolines (5.5, in
# modules 5.11), one kprobe.session for entry and return (6.10), the kprobe PMU of perf_event_open (4.17),
# kprobe.multi (5.18), tracefs' kprobe_events (4.1). What `tools/bench attach` counts on 6.12 for a read with
# an entry and a return probe is 1378, 1767, 1845, 2282 and 1845 instructions; tracefs comes last since an
# event of it outlives who is killed.
BACKENDS = ("fentry", "session", "kprobe", "multi", "tracefs")


class Backend(NamedTuple):
    """What serves `@kprobe` and `@kretprobe` on a function: `name` is one of BACKENDS.

    fentry needs to know what the function's `parameters` point to: each is a struct's name, as in
    `struct file`, or empty.
    """

    function: str
    name: str
    parameters: tuple[str, ...] = ()


class Usdt(NamedTuple):
    """A USDT probe in a file: where its `arguments` are, in the assembler's words; none: no such probe.

    It may be in several places with its arguments elsewhere: then there are several texts. `multi`: one
    link goes to all places (uprobe.multi, 6.6).
    """

    arguments: tuple[str, ...]
    multi: bool = False


def _unknown(place: str) -> Usdt | None:
    return None


# What the portable target takes for granted: Linux 5.8.
PORTABLE_FEATURES = frozenset({"ringbuf", "probe_read_kernel", "ktime_get_boot_ns", "jmp32"})


class Target(NamedTuple):
    """`lower()` gives the same bytes for the same target on every machine.

    `features` names what the kernel can do, as far as generated code depends on it:
    `jmp32` (5.1), `probe_read_kernel` (5.5), `ringbuf` and `ktime_get_boot_ns` (5.8), `stack_index` (5.12),
    `rdonly_cast` (6.2), `isa_v4` (6.6).
    A `portable` target keeps parameters as variables in `.rodata`; otherwise they are constants.
    `usdt` tells of a USDT probe by its place, `file:provider:name`; None when the target doesn't know.
    `backends` holds what serves probes on kernel functions; those on other functions are plain kprobes.
    """

    name: str
    btf: Btf
    features: frozenset[str] = PORTABLE_FEATURES
    arch: Arch = ARCHITECTURES["x86_64"]
    portable: bool = False
    backends: tuple[Backend, ...] = ()
    usdt: Callable[[str], Usdt | None] = _unknown
