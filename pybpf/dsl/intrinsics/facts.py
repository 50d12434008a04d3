"""Since when there is a helper, and which programs may call it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from pybpf.uapi import bpf

if TYPE_CHECKING:
    from pybpf.dsl.context import Context
    from pybpf.dsl.intrinsics.prototype import Prototype

__all__ = ["callers", "check_caller", "check_lock", "since"]

# They may use no map with a lock or a timer in it (is_tracing_prog_type, kernel/bpf/verifier.c).
_INTERRUPTING = ("kprobe", "tracepoint", "perf_event", "raw_tracepoint", "raw_tracepoint_writable")

# Kinds of probes that the table of helpers calls otherwise, or that are the same to it as another.
_ALIASES = {"iterator": "iter", "fmod_ret": "fexit"}

# The kinds of probes whose decorators take `sleepable`.
_MAY_SLEEP = ("fentry", "fexit", "fmod_ret", "iterator", "lsm", "uprobe", "uretprobe")


def since(number: int) -> str:
    """The first kernel that has the helper of that number."""
    from pybpf.uapi.helper_facts import LAST

    return next((version for version, last in LAST.items() if number <= last), "")


@functools.cache
def _numbers(program: str) -> frozenset[int]:
    from pybpf.uapi.helper_facts import PROGRAMS

    ends = ([int(end) for end in word.split("-")] for word in PROGRAMS[program].split())
    return frozenset(number for end in ends for number in range(end[0], end[-1] + 1))


def callers(number: int) -> list[str]:
    """The types of programs that may call a helper; none when that isn't known."""
    from pybpf.uapi.helper_facts import PROGRAMS

    return [program for program in PROGRAMS if number in _numbers(program)]


@functools.cache
def _program(kind: str) -> str:
    """The type of program that a kind of probe is, as `PROGRAMS` calls it; empty when it isn't there."""
    from pybpf.dsl.kinds import KINDS
    from pybpf.uapi.helper_facts import PROGRAMS

    kind = _ALIASES.get(kind, kind)
    if kind in PROGRAMS:
        return kind
    names = {
        value: name[len("BPF_PROG_TYPE_") :].lower()
        for name, value in vars(bpf).items()
        if name.startswith("BPF_PROG_TYPE_")
    }
    found = names.get(KINDS[kind].type, "") if kind in KINDS else ""
    return found if found in PROGRAMS else ""


def check_lock(cx: Context, what: str) -> None:
    """Raise LoweringError when the program may not use locks and timers."""
    if _program(cx.kind) in _INTERRUPTING:
        raise cx.error(f"a {cx.kind} can't use a map with a {what}: it may interrupt who holds or runs it")


def check_caller(cx: Context, prototype: Prototype) -> None:
    """Raise LoweringError when the program that is being lowered may not call a helper."""
    from pybpf.uapi.helper_facts import SLEEPABLE

    program = _program(cx.kind)
    name = prototype.name[len("bpf_") :]
    allowed = callers(prototype.number)
    if not program or not allowed:
        return
    if program not in allowed:
        shown = (
            ", ".join(allowed)
            if len(allowed) <= 6
            else f"{', '.join(allowed[:5])} and {len(allowed) - 5} more"
        )
        raise cx.error(f"a {cx.kind} can't call {name}: only programs of type {shown} can")
    if str(prototype.number) in SLEEPABLE.split() and not cx.sleepable:
        if cx.kind in _MAY_SLEEP:
            cure = f"say that the program may wait, as in @{cx.kind}(..., sleepable=True)"
        else:
            cure = f"{', '.join(_MAY_SLEEP)} can, with sleepable=True"
        raise cx.error(f"a {cx.kind} can't call {name}, which may wait: {cure}")
