"""The kinds of probes: what type of program each becomes, and where its parameters come from.

A row here is a decorator in `pybpf.dsl.decorators`; how a program of the kind is attached is `pybpf.link`'s.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pybpf.codegen.ir import Op
from pybpf.dsl.kernel import DIRECT, USER, KernelPointer, pointer
from pybpf.dsl.program_context import context_pointer, iterated_pointer, packet_pointer
from pybpf.dsl.prototype import check_prototype
from pybpf.dsl.types import boolean, i32, layout_of, u32, u64
from pybpf.dsl.usdt_arguments import unknown
from pybpf.dsl.values import Scalar, Value, convert
from pybpf.errors import LoweringError, UsageError
from pybpf.spec import Function, Int, Pointer, Struct, functions, targets
from pybpf.spec.cgroup import HOOKS
from pybpf.uapi import bpf

if TYPE_CHECKING:
    from pybpf.dsl.context import Context
    from pybpf.dsl.decorators import Probe

__all__ = ["KINDS", "Kind", "arguments", "points_to"]


class Kind(NamedTuple):
    """A kind of probe: `type` is a `BPF_PROG_TYPE_*`, `attach_type` what BPF_PROG_LOAD expects, or 0.

    `raw(cx, number)` gives parameter `number` as 64 bits, or None when there are no so many; `targets` reads
    what the decorator names. `pointer` makes a pointer of a parameter that is declared as one. A kind that
    `returns` something has a result of that type; other probes have none. `known` are the structs that the
    verifier knows the parameters to point to: those are followed by plain loads.
    """

    type: int
    attach_type: int
    raw: Callable[[Context, int], Op | None]
    targets: Callable[[str], tuple[Function, ...]]
    pointer: Callable[[Context, Op, str], KernelPointer] = pointer
    returns: Int | None = None
    known: tuple[str, ...] = ()


# Where parameters come from.


def _register(cx: Context, number: int) -> Op | None:
    """An argument of a function, from the registers that `pt_regs` keeps."""
    names = cx.target.arch.arguments
    return _saved(cx, names[number]) if number < len(names) else None


def _result(cx: Context, number: int) -> Op | None:
    """What a function returned."""
    return _saved(cx, cx.target.arch.result) if number == 0 else None


def _saved(cx: Context, register: str) -> Op:
    field = cx.field_of(cx.type_of("struct pt_regs"), register)
    return cx.build.load(cx.context, field.offset, 8)


def _word(cx: Context, number: int) -> Op | None:
    """An argument of a tracepoint or a traced function: the context is an array of them (at most 12)."""
    return cx.build.load(cx.context, 8 * number, 8) if number < 12 else None


def _context(cx: Context, number: int) -> Op | None:
    """The one parameter is the context itself."""
    return cx.context if number == 0 else None


# How pointers among them are read.


def _user(cx: Context, op: Op, declaration: str) -> KernelPointer:
    """An argument of a function of a process."""
    return pointer(cx, op, declaration, USER)


def points_to(pointer: KernelPointer) -> str:
    """The struct that a pointer into the kernel's memory leads to; empty when it leads to something else."""
    target = pointer.target.resolve()
    return target.key if target.kind in ("struct", "union") and not pointer.user else ""


def _followed(cx: Context, op: Op, declaration: str) -> KernelPointer:
    """A pointer whose type the verifier knows: structs are read by plain loads (Linux 5.5)."""
    found = pointer(cx, op, declaration)
    if found.user or found.target.resolve().kind not in ("struct", "union"):
        return found
    return KernelPointer(op, found.type, DIRECT, trusted=True)


# What decorators name.


def _one(text: str, names: Callable[[str], tuple[Function, ...]]) -> tuple[Function, ...]:
    """The type of such a program's arguments is settled when it is loaded, so that it goes to one place."""
    found = names(text)
    if len(found) > 1:
        raise UsageError(f"{text!r} names {len(found)} places, and a probe of this kind goes to one")
    return found


_tracepoints = partial(
    targets, name=re.compile(r"\w+/\w+"), what="a tracepoint: write category/name, such as sched/sched_switch"
)
_raw_tracepoints = partial(
    targets, name=re.compile(r"\w+"), what="a tracepoint: write its name alone, such as sched_switch"
)
_symbols = partial(
    targets,
    name=re.compile(r"[^:]+:([A-Za-z_$][\w.$@]*(\+\w+)?|0x[0-9a-fA-F]+)"),
    what="a function of a file: write file:symbol, such as /bin/bash:readline or libc.so.6:malloc",
)
_marks = partial(
    targets,
    name=re.compile(r"[^:]+:[\w.-]+:[\w.-]+"),
    what="a USDT probe: write file:provider:name, such as /usr/bin/python3:python:gc__start",
)
_samples = partial(
    targets,
    name=re.compile(r"[\w-]+/(freq|period)=[1-9]\d*/"),
    what="an event with a rate: write it as perf does, such as cpu-clock/freq=99/",
)
_interfaces = partial(targets, name=re.compile(r"[^/\s]{1,15}"), what="the name of a network interface")
_hooks = partial(targets, name=re.compile(r"\w+"), what="the name of a security hook, such as file_open")
_objects = partial(targets, name=re.compile(r"\w+"), what="what the kernel has iterators of, such as task")
_groups = partial(
    targets, name=re.compile(r"/[^,|?\s]*"), what="a control group: write its path, such as /system.slice"
)
_rules = partial(
    targets,
    name=re.compile(r"\w+/\w+(/-?\d+)?"),
    what="a hook of netfilter: write family/hook, such as ipv4/local_in, or ipv4/local_in/-100",
)


KINDS = {
    "kprobe": Kind(bpf.BPF_PROG_TYPE_KPROBE, 0, _register, functions),
    "kretprobe": Kind(bpf.BPF_PROG_TYPE_KPROBE, 0, _result, functions),
    "uprobe": Kind(bpf.BPF_PROG_TYPE_KPROBE, 0, _register, _symbols, _user),
    "uretprobe": Kind(bpf.BPF_PROG_TYPE_KPROBE, 0, _result, _symbols, _user),
    "usdt": Kind(bpf.BPF_PROG_TYPE_KPROBE, 0, unknown, _marks, _user),
    "tracepoint": Kind(bpf.BPF_PROG_TYPE_TRACEPOINT, 0, _context, _tracepoints, context_pointer),
    "raw_tracepoint": Kind(bpf.BPF_PROG_TYPE_RAW_TRACEPOINT, 0, _word, _raw_tracepoints),
    "tp_btf": Kind(
        bpf.BPF_PROG_TYPE_TRACING,
        bpf.BPF_TRACE_RAW_TP,
        _word,
        partial(_one, names=_raw_tracepoints),
        _followed,
    ),
    "fentry": Kind(
        bpf.BPF_PROG_TYPE_TRACING, bpf.BPF_TRACE_FENTRY, _word, partial(_one, names=functions), _followed
    ),
    "fexit": Kind(
        bpf.BPF_PROG_TYPE_TRACING, bpf.BPF_TRACE_FEXIT, _word, partial(_one, names=functions), _followed
    ),
    "fmod_ret": Kind(
        bpf.BPF_PROG_TYPE_TRACING,
        bpf.BPF_MODIFY_RETURN,
        _word,
        partial(_one, names=functions),
        _followed,
        i32,
    ),
    "lsm": Kind(bpf.BPF_PROG_TYPE_LSM, bpf.BPF_LSM_MAC, _word, partial(_one, names=_hooks), _followed, i32),
    "iterator": Kind(
        bpf.BPF_PROG_TYPE_TRACING,
        bpf.BPF_TRACE_ITER,
        _context,
        partial(_one, names=_objects),
        iterated_pointer,
    ),
    "perf_event": Kind(bpf.BPF_PROG_TYPE_PERF_EVENT, 0, _context, _samples, context_pointer),
    "socket_filter": Kind(bpf.BPF_PROG_TYPE_SOCKET_FILTER, 0, _context, _interfaces, context_pointer, u32),
    "xdp": Kind(bpf.BPF_PROG_TYPE_XDP, bpf.BPF_XDP, _context, _interfaces, context_pointer, u32),
    "tc": Kind(bpf.BPF_PROG_TYPE_SCHED_CLS, 0, _context, _interfaces, context_pointer, i32),
    "tc/egress": Kind(bpf.BPF_PROG_TYPE_SCHED_CLS, 0, _context, _interfaces, context_pointer, i32),
    "netfilter": Kind(bpf.BPF_PROG_TYPE_NETFILTER, bpf.BPF_NETFILTER, _context, _rules, packet_pointer, u32),
    **{
        f"cgroup/{name}": Kind(*hook, _context, _groups, context_pointer, u32) for name, hook in HOOKS.items()
    },
}


def arguments(cx: Context, probe: Probe, names: tuple[str, ...], kind: Kind) -> dict[str, Value]:
    """The parameters of a probe on one of `names`, as its annotations type them, got as `kind` gets them."""
    tree = probe.source.tree.args
    if any([*tree.kwonlyargs, *tree.defaults, tree.vararg, tree.kwarg]):
        raise cx.error(f"a {probe.kind} takes plain parameters only: no *, no defaults", probe.source.tree)
    layouts = {argument.arg: _layout(cx, probe, argument) for argument in tree.args}
    if KINDS[probe.kind].pointer is _followed:
        check_prototype(cx, probe.kind, names, tree, layouts)
    found: dict[str, Value] = {}
    for number, argument in enumerate(tree.args):
        cx.at(argument)
        word = kind.raw(cx, number)
        if word is None:
            raise cx.error(f"a {probe.kind} has no parameter {number + 1}: {_most(number)}", argument)
        known = kind.known[number] if number < len(kind.known) else ""
        found[argument.arg] = _typed(cx, kind, argument, layouts[argument.arg], word, known)
    return found


def _most(number: int) -> str:
    return f"it takes {number}" if number != 1 else "it takes one"


def _layout(cx: Context, probe: Probe, argument: ast.arg) -> Int:
    """What a parameter is declared as: a number or a pointer."""
    annotations = probe.source.function.__annotations__
    if argument.arg not in annotations:
        raise cx.error(
            f'{argument.arg} has no type: write its C declaration, such as "struct file *", or u64', argument
        )
    try:
        layout = layout_of(annotations[argument.arg], probe.source.names(), argument.arg)
    except LoweringError as error:
        raise cx.error(error.message, argument) from None
    if not isinstance(layout, Int):
        kind = "record" if isinstance(layout, Struct) else "text"
        raise cx.error(f"{argument.arg} is a {kind}, and a register holds none", argument)
    return layout


def _typed(cx: Context, kind: Kind, argument: ast.arg, layout: Int, word: Op, known: str) -> Value:
    if isinstance(layout, Pointer):
        found = kind.pointer(cx, word, layout.declaration)
        return _followed(cx, word, layout.declaration) if known and points_to(found) == known else found
    if word is cx.context:
        raise cx.error(
            f"{argument.arg} is the context: write its C declaration, such as"
            f' "struct trace_event_raw_sys_enter *"',
            argument,
        )
    if layout is boolean:  # in the lowest byte, as the kernel's compilers pass it
        return Scalar(cx.build.extend(word, 1, False), boolean)
    converted = convert(cx, Scalar(word, u64), layout)
    assert isinstance(converted, Value)
    return converted
