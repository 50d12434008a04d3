"""The kinds of attachments, as `spec.Attach.kind` names them; and which of their places are there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from pybpf.errors import UsageError, near
from pybpf.link import (
    cgroup,
    fentry,
    functions,
    interfaces,
    iterator,
    kprobe,
    kprobe_events,
    kprobe_multi,
    lsm,
    netfilter,
    perf_event,
    raw_tracepoint,
    socket_filter,
    tc,
    tracepoint,
    uprobe,
    xdp,
)
from pybpf.link.link import Link
from pybpf.spec import Function
from pybpf.spec.cgroup import HOOKS

__all__ = ["KINDS", "Kind", "Missing", "Resolved", "attach", "resolve"]


class Missing(NamedTuple):
    """A place that this kernel hasn't got now, and why, with the cure."""

    name: str
    why: str


class Resolved(NamedTuple):
    """Places to attach to, in the order asked for; `missing` holds those that are not optional."""

    found: tuple[str, ...]
    missing: tuple[Missing, ...]


class Kind(NamedTuple):
    """How programs of a kind are attached, and where to.

    `attach(program, symbol)`, some with a `cookie`; which of some names are `there`, and why one is `absent`.
    `places` is what such names are called; kinds that go to the same places share it.
    """

    attach: Callable[..., Link]
    there: Callable[[Iterable[str]], set[str]]
    absent: Callable[[str], str]
    places: str


_FUNCTIONS = (functions.there, functions.absent, "functions")
_SYMBOLS = (uprobe.there, uprobe.absent, "functions of files")
_INTERFACES = (interfaces.there, interfaces.absent, "interfaces")
_GROUPS = (cgroup.there, cgroup.absent, "control groups")
_TRACEPOINTS = (raw_tracepoint.there, raw_tracepoint.absent, "raw tracepoints")

KINDS = {
    "kprobe": Kind(kprobe.attach, *_FUNCTIONS),
    "kretprobe": Kind(partial(kprobe.attach, retprobe=True), *_FUNCTIONS),
    "kprobe.multi": Kind(kprobe_multi.attach, *_FUNCTIONS),
    "kretprobe.multi": Kind(partial(kprobe_multi.attach, retprobe=True), *_FUNCTIONS),
    "kprobe.session": Kind(kprobe_multi.attach_session, *_FUNCTIONS),
    "kprobe.tracefs": Kind(kprobe_events.attach, *_FUNCTIONS),
    "kretprobe.tracefs": Kind(partial(kprobe_events.attach, retprobe=True), *_FUNCTIONS),
    "fentry": Kind(fentry.attach, *_FUNCTIONS),
    "fexit": Kind(fentry.attach_exit, *_FUNCTIONS),
    "fmod_ret": Kind(fentry.attach_modify, *_FUNCTIONS),
    "lsm": Kind(lsm.attach, lsm.there, lsm.absent, "security hooks"),
    "iterator": Kind(iterator.attach, iterator.there, iterator.absent, "iterators"),
    "uprobe": Kind(uprobe.attach, *_SYMBOLS),
    "uretprobe": Kind(partial(uprobe.attach, retprobe=True), *_SYMBOLS),
    "tracepoint": Kind(tracepoint.attach, tracepoint.there, tracepoint.absent, "tracepoints"),
    "raw_tracepoint": Kind(raw_tracepoint.attach, *_TRACEPOINTS),
    "tp_btf": Kind(raw_tracepoint.attach_typed, *_TRACEPOINTS),
    "perf_event": Kind(perf_event.attach, perf_event.there, perf_event.absent, "events"),
    "socket_filter": Kind(socket_filter.attach, *_INTERFACES),
    "xdp": Kind(xdp.attach, *_INTERFACES),
    "tc": Kind(tc.attach, *_INTERFACES),
    "netfilter": Kind(netfilter.attach, netfilter.there, netfilter.absent, "netfilter hooks"),
    **{f"cgroup/{hook}": Kind(partial(cgroup.attach, hook), *_GROUPS) for hook in HOOKS},
}


def _kind(name: str) -> Kind:
    if name not in KINDS:
        raise UsageError(f"programs can't be attached as {name!r}{near(name, KINDS)}")
    return KINDS[name]


def attach(kind: str, program: int, symbol: str, cookie: int = 0, maxactive: int = 0) -> Link:
    """Attach a program, by its descriptor, as `spec.Attach.kind` says.

    `cookie` and `maxactive` are for kinds that have them.
    """
    options = {"cookie": cookie, "maxactive": maxactive}
    return _kind(kind).attach(program, symbol, **{name: value for name, value in options.items() if value})


def resolve(places: Iterable[Function], kind: str = "kprobe") -> Resolved:
    """Find out which of `places` exist, for programs of that kind; of alternatives, the first that does."""
    places = tuple(places)
    known = _kind(kind)
    there = known.there([name for place in places for name in place.names])
    found, missing = [], []
    for place in places:
        name = next((name for name in place.names if name in there), None)
        if name is not None:
            found.append(name)
        elif not place.optional:
            missing.append(Missing(place.names[0], known.absent(place.names[0])))
    return Resolved(tuple(found), tuple(missing))
