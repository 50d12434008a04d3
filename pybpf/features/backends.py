"""Which back-ends can serve probes on a kernel function here, as far as can be told without attaching."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pybpf.asm import link, ops
from pybpf.errors import BpfError, SyscallError
from pybpf.features.feature import Feature, trial
from pybpf.features.probes import kprobe, kprobe_events, kprobe_multi, kprobe_session
from pybpf.spec import BACKENDS, Backend
from pybpf.sys import kallsyms
from pybpf.uapi import bpf

if TYPE_CHECKING:
    from pybpf.btf import Type

__all__ = ["Choice", "Wanted", "choose"]


class Wanted(NamedTuple):
    """What probes want of a kernel function, `symbol`, which may be a place in it, or an address.

    There are `entries` probes at its beginning and `exits` at its return. They use its first `parameters`
    parameters; `cookies`: they have some; `maxactive`: of an exit, see `spec.Attach`.
    """

    symbol: str
    entries: int = 0
    exits: int = 0
    parameters: int = 0
    cookies: bool = False
    maxactive: int = 0


class Choice(NamedTuple):
    """The back-end that serves a function, if any; and why cheaper ones don't, by name."""

    backend: Backend | None
    refused: Mapping[str, str]


def choose(wanted: Wanted, wish: str = "auto", refused: Mapping[str, str] | None = None) -> Choice:
    """The cheapest back-end for a function, or the one that `wish` names, if it can be.

    `refused`: those that have been tried, and why they wouldn't do. Raises SyscallError when this process may
    not load programs.
    """
    reasons = dict(refused or {})
    for name in BACKENDS if wish == "auto" else (wish,):
        if name in reasons:
            continue
        found = _TRY[name](wanted)
        if isinstance(found, Backend):
            return Choice(found, reasons)
        reasons[name] = found
    return Choice(None, reasons)


# Each gives the back-end, or why it isn't one.


def _fentry(wanted: Wanted) -> Backend | str:
    if _inside(wanted):
        return _INSIDE
    places = kallsyms.find([wanted.symbol]).get(wanted.symbol, ())
    if len(places) != 1:
        return f"{len(places) or 'no'} functions have that name"
    from pybpf import btf

    (module,) = places
    try:
        types = btf.module(module) if module else btf.kernel()
        function = next(types.functions(wanted.symbol), None)
    except BpfError as error:
        return str(error)
    if function is None:
        return "BTF does not describe it"
    refusal = "" if module else _loading(function.id)
    if refusal:
        return refusal
    parameters = [each.type.resolve() for each in function.parameters]
    if len(parameters) < wanted.parameters:
        return f"BTF gives it {len(parameters)} parameters, and a probe has {wanted.parameters}"
    if any(each.kind in ("struct", "union") for each in parameters):
        return "it takes a struct by value"
    return Backend(wanted.symbol, "fentry", tuple(map(_struct, parameters)))


_tried: list[str] = []


def _loading(function: int) -> str:
    """Why no program is loaded for a function of the kernel's, by its BTF id; tried once a process."""
    if not _tried:
        code = link([ops.mov64(ops.R0, 0), ops.exit_()])
        kind = {"prog_type": bpf.BPF_PROG_TYPE_TRACING, "expected_attach_type": bpf.BPF_TRACE_FENTRY}
        try:
            trial(code, attach_btf_id=function, **kind).close()
        except SyscallError as error:
            _tried.append(str(error))
        else:
            _tried.append("")
    return _tried[0]


def _struct(type: Type) -> str:
    """The struct that a parameter points to; empty when it doesn't."""
    target: Any = type.target.resolve() if type.kind == "ptr" else type
    return str(target.key) if target is not type and target.kind in ("struct", "union") else ""


def _session(wanted: Wanted) -> Backend | str:
    if _inside(wanted):
        return _INSIDE
    if (wanted.entries, wanted.exits) != (1, 1):
        return "it serves an entry and a return together"
    if wanted.cookies:
        return "its entry and return have one cookie"
    return _by(wanted, "session", kprobe_session())


def _multi(wanted: Wanted) -> Backend | str:
    return _INSIDE if _inside(wanted) else _by(wanted, "multi", kprobe_multi())


def _kprobe(wanted: Wanted) -> Backend | str:
    if wanted.maxactive:
        return "it can't be told maxactive"
    return _by(wanted, "kprobe", kprobe())


def _tracefs(wanted: Wanted) -> Backend | str:
    return _by(wanted, "tracefs", kprobe_events())


_TRY: dict[str, Callable[[Wanted], Backend | str]] = {
    "fentry": _fentry,
    "session": _session,
    "multi": _multi,
    "kprobe": _kprobe,
    "tracefs": _tracefs,
}

_INSIDE = "it goes to a function's beginning and end only"


def _inside(wanted: Wanted) -> bool:
    return "+" in wanted.symbol or wanted.symbol.startswith("0x")


def _by(wanted: Wanted, name: str, feature: Feature) -> Backend | str:
    if feature:
        return Backend(wanted.symbol, name)
    return f"this kernel has no {feature.name} ({feature.since or 'unset'}): {feature.why}"
