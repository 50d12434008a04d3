"""netfilter: a program among the rules that a packet of this network namespace goes through (6.4)."""

from __future__ import annotations

import errno
from collections.abc import Iterable

from pybpf import features
from pybpf.errors import LoadError, SyscallError, near
from pybpf.link.link import Link
from pybpf.sys import Fd, command
from pybpf.uapi import bpf

__all__ = ["absent", "attach", "there"]

# NFPROTO_* and the hooks of enum nf_inet_hooks, include/uapi/linux/netfilter.h.
_FAMILIES = {"ipv4": 2, "ipv6": 10}
_HOOKS = {"pre_routing": 0, "local_in": 1, "forward": 2, "local_out": 3, "post_routing": 4}


def there(names: Iterable[str]) -> set[str]:
    """Which of these (`ipv4/local_in`, `ipv4/local_in/-100`) name a hook."""
    return {name for name in names if _parsed(name) is not None}


def absent(name: str) -> str:
    """Why there is no such hook."""
    family, _, rest = name.partition("/")
    if family not in _FAMILIES:
        return f"there is no family {family!r}{near(family, _FAMILIES)}"
    hook = rest.partition("/")[0]
    return f"there is no hook {hook!r}{near(hook, _HOOKS)}: it is one of {', '.join(_HOOKS)}"


def _parsed(name: str) -> tuple[int, int, int] | None:
    """Family, hook and priority."""
    family, hook, *priority = name.split("/")
    if family not in _FAMILIES or hook not in _HOOKS:
        return None
    return _FAMILIES[family], _HOOKS[hook], int(priority[0]) if priority else 0


def attach(program: int, symbol: str) -> Link:
    """Run the program (its descriptor) for each packet at `family/hook/priority`; low priorities run first.

    Raises UnsupportedFeature, LoadError (`.name` is the hook: not there, or its priority taken) and
    SyscallError.
    """
    features.require(features.netfilter())
    what = f"netfilter {symbol}"
    place = _parsed(symbol)
    if place is None:
        raise LoadError(f"{what}: {absent(symbol)}", symbol)
    family, hook, priority = place
    try:
        number = command(
            bpf.BPF_LINK_CREATE,
            prog_fd=program,
            attach_type=bpf.BPF_NETFILTER,
            netfilter_pf=family,
            netfilter_hooknum=hook,
            netfilter_priority=priority,
        )
    except SyscallError as error:
        if error.errno == errno.EBUSY:
            why = f"another program is there with priority {priority}: give it one of its own, {symbol}/10"
            raise LoadError(f"{what}: {why}", symbol) from None
        raise error.about(what) from None
    return Link("netfilter", symbol, [Fd(number, what)])
