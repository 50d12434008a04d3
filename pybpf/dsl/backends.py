"""What a probe becomes: the programs that the target's back-ends for its kernel functions ask for.

The body is the same in each; where its parameters come from is not. Other kinds of probes become one program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from pybpf.codegen.ir import Op
from pybpf.dsl.kernel import DIRECT, USER, KernelPointer, pointer
from pybpf.dsl.kinds import KINDS, Kind
from pybpf.dsl.usdt_arguments import argument, unknown
from pybpf.errors import LoweringError, UsageError
from pybpf.source import Location
from pybpf.spec import Backend, Function, Target, Usdt
from pybpf.uapi import bpf

if TYPE_CHECKING:
    from pybpf.dsl.context import Context
    from pybpf.dsl.decorators import Probe

__all__ = ["KPROBES", "Half", "Planned", "places_of", "plan"]


# The kinds of probes that have back-ends, and the one that needs no decision.
KPROBES = ("kprobe", "kretprobe")
_PLAIN = Backend("", "kprobe")


class Half(NamedTuple):
    """A probe's body in a program, and how that gets its parameters."""

    probe: Probe
    kind: Kind


class Planned(NamedTuple):
    """A program to be made: `attach` is how it is attached, as `pybpf.link.KINDS` has it.

    It has the body of one probe; that of a session those of an entry and of a return.
    """

    name: str
    attach: str
    halves: tuple[Half, ...]
    places: tuple[Function, ...]
    cookies: tuple[int, ...] = ()
    maxactive: int = 0
    pid: int = 0


def places_of(probe: Probe, values: Mapping[str, Any], target: Target) -> dict[Function, int]:
    """What a probe is attached to when parameters have these values, with cookies. Raises LoweringError."""
    where = probe.where if isinstance(probe.where, str) else probe.where.text(values)
    try:
        places = KINDS[probe.kind].targets(where)
        cookies = probe.cookies(values, len(places)) or (0,) * len(places)
    except UsageError as error:
        node = probe.source.tree.decorator_list[-1]
        end = node.end_col_offset or 0 if node.end_lineno == node.lineno else -1
        place = Location(probe.source.file, node.lineno, node.col_offset + 1, end + 1)
        raise LoweringError(str(error), place) from None
    if probe.syscall:
        prefix = target.arch.syscall_prefix
        places = tuple(each._replace(names=tuple(prefix + name for name in each.names)) for each in places)
    return dict(zip(places, cookies))


def plan(probes: Iterable[Probe], values: Mapping[str, Any], target: Target) -> list[Planned]:
    """The programs that probes become; of names that the target has back-ends for, they go to those only."""
    backends = {each.function: each for each in target.backends}
    placed = [(probe, places_of(probe, values, target)) for probe in probes]
    exits = {
        name: probe
        for probe, places in placed
        for place in places
        for name in place.names
        if probe.kind == "kretprobe"
    }
    return [
        each._replace(pid=probe.process(values))
        for probe, places in placed
        for each in (
            _marked(probe, places, target.usdt)
            if probe.kind == "usdt"
            else _programs(probe, places, exits, backends)
        )
    ]


def _programs(
    probe: Probe, places: Mapping[Function, int], exits: Mapping[str, Probe], backends: Mapping[str, Backend]
) -> Iterator[Planned]:
    groups: dict[tuple[Backend, Probe | None], dict[Function, int]] = {}
    for place, cookie in places.items():
        symbol = next((name for name in place.names if name in backends), "")
        if not symbol or probe.kind not in KPROBES:
            groups.setdefault((_PLAIN, None), {})[place] = cookie
            continue
        backend = backends[symbol]
        if backend.name == "session" and probe.kind == "kretprobe":
            continue  # it is in its entry's program
        if backend.name != "fentry":  # such a program goes to one function; others may go to several
            backend = Backend("", backend.name)
        apart = exits[symbol] if backend.name == "session" else None
        groups.setdefault((backend, apart), {})[place] = cookie
    if not places:
        groups[_PLAIN, None] = {}
    for number, ((backend, apart), functions) in enumerate(groups.items()):
        name = f"{probe.name}__{number + 1}" if number else probe.name
        bodies = (probe, apart) if apart else (probe,)
        halves = tuple(Half(each, _kind(each, backend)) for each in bodies)
        cookies = tuple(functions.values()) if any(functions.values()) else ()
        # Others have no limit, or none that could be set.
        maxactive = probe.maxactive if backend.name == "tracefs" else 0
        attach = _attach(probe.kind, backend.name)
        yield Planned(name, attach, halves, tuple(functions), cookies, maxactive)


def _marked(
    probe: Probe, places: Mapping[Function, int], known: Callable[[str], Usdt | None]
) -> Iterator[Planned]:
    """A program for each kind of place that a USDT probe has: its arguments lie elsewhere at another."""
    groups: dict[tuple[Any, bool], dict[Function, int]] = {}
    for place, cookie in places.items():
        found = [(name, known(name)) for name in place.names]
        name, usdt = next(((name, usdt) for name, usdt in found if usdt and usdt.arguments), found[0])
        if usdt is None or not usdt.arguments:
            # One that isn't there is not attached, whatever its arguments are said to be.
            raw = _nothing if usdt else unknown
            groups.setdefault((raw, False), {})[place] = cookie
            continue
        for number, texts in enumerate(usdt.arguments):
            names = (name,) if len(usdt.arguments) == 1 else (f"{name}#{number}",)
            groups.setdefault((texts, usdt.multi), {})[place._replace(names=names)] = cookie
    for number, ((how, multi), functions) in enumerate(groups.items()):
        raw = partial(argument, how) if isinstance(how, str) else how
        kind = KINDS["usdt"]._replace(raw=raw, attach_type=bpf.BPF_TRACE_UPROBE_MULTI * multi)
        name = f"{probe.name}__{number + 1}" if number else probe.name
        cookies = tuple(functions.values()) if any(functions.values()) else ()
        yield Planned(
            name, "usdt.multi" if multi else "usdt", (Half(probe, kind),), tuple(functions), cookies
        )


def _nothing(cx: Context, number: int) -> Op:
    return cx.build.const(0)


def _attach(kind: str, backend: str) -> str:
    if backend == "fentry":
        return "fentry" if kind == "kprobe" else "fexit"
    return kind if backend == "kprobe" else f"{kind}.{backend}"


def _kind(probe: Probe, backend: Backend) -> Kind:
    """How the probe's parameters are got, and what type of program it is."""
    found = KINDS[probe.kind]
    if backend.name == "fentry":
        if probe.kind == "kprobe":
            found = KINDS["fentry"]._replace(pointer=pointer, known=backend.parameters)
        else:
            found = KINDS["fexit"]._replace(raw=partial(_returned, len(backend.parameters)), pointer=pointer)
    elif backend.name in _ATTACH_TYPES:
        found = found._replace(attach_type=_ATTACH_TYPES[backend.name])
    if probe.syscall and probe.kind == "kprobe":
        return found._replace(raw=partial(_of_syscall, found), pointer=_user, known=())
    return found


_ATTACH_TYPES = {"multi": bpf.BPF_TRACE_KPROBE_MULTI, "session": bpf.BPF_TRACE_KPROBE_SESSION}


def _returned(count: int, cx: Context, number: int) -> Op | None:
    """What a function of `count` parameters returned: it comes after them."""
    return cx.build.load(cx.context, 8 * count, 8) if number == 0 else None


def _of_syscall(kind: Kind, cx: Context, number: int) -> Op | None:
    """An argument of a system call: its function gets the process's registers (x86-64 since Linux 4.17)."""
    names = cx.target.arch.syscalls
    if number >= len(names):
        return None
    word = kind.raw(cx, 0)
    assert word is not None
    registers = pointer(cx, word, "struct pt_regs *")
    if kind.known and kind.known[0] == "struct pt_regs":
        registers = KernelPointer(word, registers.type, DIRECT, trusted=True)
    return registers.attribute(cx, names[number]).op  # type: ignore[no-any-return]


def _user(cx: Context, op: Op, declaration: str) -> KernelPointer:
    """A pointer of the process's."""
    return pointer(cx, op, declaration, USER)
