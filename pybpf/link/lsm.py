"""lsm: a program that decides, at a security hook of the kernel, whether something may be done (5.7)."""

from __future__ import annotations

from collections.abc import Iterable

from pybpf import features
from pybpf.errors import near
from pybpf.link.link import Link
from pybpf.link.raw_tracepoint import open_link
from pybpf.sys import kallsyms
from pybpf.uapi import bpf

__all__ = ["absent", "attach", "there"]

# The kernel has a function of this name for each hook, where programs go.
_PREFIX = "bpf_lsm_"


def there(names: Iterable[str]) -> set[str]:
    """Which of these hooks (`file_open`) the kernel has."""
    return {name[len(_PREFIX) :] for name in kallsyms.find(_PREFIX + name for name in names)}


def absent(name: str) -> str:
    """Why there is no such hook."""
    found = kallsyms.starting_with(_PREFIX)
    hooks = [each[len(_PREFIX) :] for each in found if each.startswith(_PREFIX)]
    if not hooks:
        return "the kernel was built without CONFIG_BPF_LSM, or its symbols can't be read: run it as root"
    return f"this kernel has no such security hook{near(name, hooks)}"


def attach(program: int, symbol: str, *, cookie: int = 0) -> Link:
    """Run the program (its descriptor), which was loaded for the hook `symbol`; it returns 0, or -errno.

    `cookie`: what it gets by get_attach_cookie() (6.0). Raises UnsupportedFeature (BPF is no active
    security module; a cookie) and SyscallError.
    """
    features.require(features.bpf_lsm())
    return open_link("lsm", program, symbol, cookie=cookie, attach_type=bpf.BPF_LSM_MAC)
