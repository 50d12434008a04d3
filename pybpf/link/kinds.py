"""The kinds of attachments, as `spec.Attach.kind` names them; and which of their places are there."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

from pybpf.errors import UsageError, near
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


def _of(path: str) -> Callable[..., Any]:
    """A function of a module of this package, which is imported when it is first called."""
    module, name = path.split(".")

    def call(*args: Any, **fields: Any) -> Any:
        return getattr(importlib.import_module(f"pybpf.link.{module}"), name)(*args, **fields)

    return call


_FUNCTIONS = (_of("functions.there"), _of("functions.absent"), "functions")
_SYMBOLS = (_of("uprobe.there"), _of("uprobe.absent"), "functions of files")
_MARKS = (_of("usdt.there"), _of("usdt.absent"), "USDT probes")
_INTERFACES = (_of("interfaces.there"), _of("interfaces.absent"), "interfaces")
_GROUPS = (_of("cgroup.there"), _of("cgroup.absent"), "control groups")
_TRACEPOINTS = (_of("raw_tracepoint.there"), _of("raw_tracepoint.absent"), "raw tracepoints")

KINDS = {
    "kprobe": Kind(_of("kprobe.attach"), *_FUNCTIONS),
    "kretprobe": Kind(partial(_of("kprobe.attach"), retprobe=True), *_FUNCTIONS),
    "kprobe.multi": Kind(_of("kprobe_multi.attach"), *_FUNCTIONS),
    "kretprobe.multi": Kind(partial(_of("kprobe_multi.attach"), retprobe=True), *_FUNCTIONS),
    "kprobe.session": Kind(_of("kprobe_multi.attach_session"), *_FUNCTIONS),
    "kprobe.tracefs": Kind(_of("kprobe_events.attach"), *_FUNCTIONS),
    "kretprobe.tracefs": Kind(partial(_of("kprobe_events.attach"), retprobe=True), *_FUNCTIONS),
    "fentry": Kind(_of("fentry.attach"), *_FUNCTIONS),
    "fexit": Kind(_of("fentry.attach_exit"), *_FUNCTIONS),
    "fmod_ret": Kind(_of("fentry.attach_modify"), *_FUNCTIONS),
    "lsm": Kind(_of("lsm.attach"), _of("lsm.there"), _of("lsm.absent"), "security hooks"),
    "iterator": Kind(_of("iterator.attach"), _of("iterator.there"), _of("iterator.absent"), "iterators"),
    "uprobe": Kind(_of("uprobe.attach"), *_SYMBOLS),
    "uretprobe": Kind(partial(_of("uprobe.attach"), retprobe=True), *_SYMBOLS),
    "uprobe.multi": Kind(_of("uprobe_multi.attach"), *_SYMBOLS),
    "uretprobe.multi": Kind(partial(_of("uprobe_multi.attach"), retprobe=True), *_SYMBOLS),
    "uprobe.tracefs": Kind(_of("uprobe_events.attach"), *_SYMBOLS),
    "uretprobe.tracefs": Kind(partial(_of("uprobe_events.attach"), retprobe=True), *_SYMBOLS),
    "usdt": Kind(_of("usdt.attach"), *_MARKS),
    "usdt.multi": Kind(_of("usdt.attach_multi"), *_MARKS),
    "tracepoint": Kind(
        _of("tracepoint.attach"), _of("tracepoint.there"), _of("tracepoint.absent"), "tracepoints"
    ),
    "raw_tracepoint": Kind(_of("raw_tracepoint.attach"), *_TRACEPOINTS),
    "tp_btf": Kind(_of("raw_tracepoint.attach_typed"), *_TRACEPOINTS),
    "perf_event": Kind(_of("perf_event.attach"), _of("perf_event.there"), _of("perf_event.absent"), "events"),
    "socket_filter": Kind(_of("socket_filter.attach"), *_INTERFACES),
    "xdp": Kind(_of("xdp.attach"), *_INTERFACES),
    "tc": Kind(_of("tc.attach"), *_INTERFACES),
    "tc/egress": Kind(partial(_of("tc.attach"), egress=True), *_INTERFACES),
    "netfilter": Kind(
        _of("netfilter.attach"), _of("netfilter.there"), _of("netfilter.absent"), "netfilter hooks"
    ),
    **{f"cgroup/{hook}": Kind(partial(_of("cgroup.attach"), hook), *_GROUPS) for hook in HOOKS},
}


def _kind(name: str) -> Kind:
    if name not in KINDS:
        raise UsageError(f"programs can't be attached as {name!r}{near(name, KINDS)}")
    return KINDS[name]


def attach(kind: str, program: int, symbol: str, cookie: int = 0, maxactive: int = 0, pid: int = 0) -> Link:
    """Attach a program, by its descriptor, as `spec.Attach.kind` says.

    `cookie`, `maxactive` and `pid` are for kinds that have them.
    """
    options = {"cookie": cookie, "maxactive": maxactive, "pid": pid}
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
