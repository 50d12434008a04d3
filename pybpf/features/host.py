"""This machine's kernel as a target."""

from __future__ import annotations

import functools
import os

from pybpf.errors import BpfError, UnsupportedFeature
from pybpf.features.buffers import ringbuf
from pybpf.features.feature import Feature
from pybpf.features.helpers import ktime_get_boot_ns, probe_read_kernel, rdonly_cast
from pybpf.features.instructions import isa_v4, jmp32, stack_index
from pybpf.spec import ARCHITECTURES, Target, Usdt
from pybpf.sys import modules

__all__ = ["host_target", "modules_btf", "vmlinux_btf"]

# The names that code generation knows (spec.Target.features).
_FEATURES = {
    "ringbuf": ringbuf,
    "probe_read_kernel": probe_read_kernel,
    "ktime_get_boot_ns": ktime_get_boot_ns,
    "jmp32": jmp32,
    "isa_v4": isa_v4,
    "stack_index": stack_index,
    "rdonly_cast": rdonly_cast,
}


@functools.cache
def vmlinux_btf() -> Feature:
    """The types of the kernel's own structs."""
    from pybpf import btf

    try:
        btf.kernel()
    except BpfError as error:
        return Feature("BTF", "5.2", str(error))
    return Feature("BTF", "5.2")


@functools.cache
def modules_btf() -> Feature:
    """The types of what is in its modules, of one that is loaded."""
    name, since = "BTF of modules", "5.11"
    found = modules.with_types()
    if found:
        return Feature(name, since, value=f"of {len(found)}")
    if modules.any_loaded():
        return Feature(
            name, since, "none of the loaded modules has it: fentry works for vmlinux's functions only"
        )
    return Feature(name, since, "no module is loaded", known=False)


def _usdt(place: str) -> Usdt | None:
    from pybpf.features.usdt import host_usdt

    return host_usdt(place)


@functools.cache
def host_target() -> Target:
    """The target to lower for when a program is to run here.

    Raises UnsupportedFeature without BTF, or on an architecture whose calling convention isn't known.
    """
    from pybpf import btf

    machine = os.uname().machine
    if machine not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise UnsupportedFeature(f"calling convention known here for {machine}", why=f"known are {known}")
    features = frozenset(name for name, probe in _FEATURES.items() if probe())
    return Target("host", btf.kernel(), features, ARCHITECTURES[machine], usdt=_usdt)
