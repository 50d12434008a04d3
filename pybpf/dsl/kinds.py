"""The kinds of probes: what type of program each becomes, and where its parameters come from.

A row here is a decorator in `pybpf.dsl.decorators`; how a program of the kind is attached is `pybpf.link`'s.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Callable, NamedTuple

from pybpf.codegen.ir import Op
from pybpf.dsl.kernel import pointer
from pybpf.dsl.types import layout_of, u64
from pybpf.dsl.values import Scalar, Value, convert
from pybpf.errors import LoweringError
from pybpf.spec import Function, Int, Pointer, Struct, functions
from pybpf.uapi import bpf

if TYPE_CHECKING:
    from pybpf.dsl.context import Context
    from pybpf.dsl.decorators import Probe

__all__ = ["KINDS", "Kind", "arguments"]


class Kind(NamedTuple):
    """A kind of probe: `type` is a `BPF_PROG_TYPE_*`, `attach_type` what BPF_PROG_LOAD expects, or 0.

    `raw(cx, number)` gives parameter `number` as 64 bits, or None when there are no so many; `targets` reads
    what the decorator names.
    """

    type: int
    attach_type: int
    raw: Callable[[Context, int], Op | None]
    targets: Callable[[str], tuple[Function, ...]]


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
    """An argument of a raw tracepoint: the context is an array of them (at most 12)."""
    return cx.build.load(cx.context, 8 * number, 8) if number < 12 else None


def _one(text: str) -> tuple[Function, ...]:
    return (Function((text,)),)


KINDS = {
    "kprobe": Kind(bpf.BPF_PROG_TYPE_KPROBE, 0, _register, functions),
    "kretprobe": Kind(bpf.BPF_PROG_TYPE_KPROBE, 0, _result, functions),
    "raw_tracepoint": Kind(bpf.BPF_PROG_TYPE_RAW_TRACEPOINT, 0, _word, _one),
}


def arguments(cx: Context, probe: Probe) -> dict[str, Value]:
    """The parameters of a probe, as its annotations type them."""
    tree = probe.source.tree.args
    if any([*tree.kwonlyargs, tree.vararg, tree.kwarg]):
        raise cx.error(f"a {probe.kind} takes plain parameters only", probe.source.tree)
    raw = KINDS[probe.kind].raw
    found: dict[str, Value] = {}
    for number, argument in enumerate(tree.args):
        cx.at(argument)
        word = raw(cx, number)
        if word is None:
            raise cx.error(f"a {probe.kind} has no parameter {number + 1}: {_most(number)}", argument)
        found[argument.arg] = _typed(cx, probe, argument, word)
    return found


def _most(number: int) -> str:
    return f"it takes {number}" if number != 1 else "it takes one"


def _typed(cx: Context, probe: Probe, argument: ast.arg, word: Op) -> Value:
    annotations = probe.source.function.__annotations__
    if argument.arg not in annotations:
        raise cx.error(
            f'{argument.arg} has no type: write its C declaration, such as "struct file *", or u64', argument
        )
    try:
        layout = layout_of(annotations[argument.arg], probe.source.names(), argument.arg)
    except LoweringError as error:
        raise cx.error(error.message, argument) from None
    if isinstance(layout, Pointer):
        return pointer(cx, word, layout.declaration)
    if isinstance(layout, Int):
        converted = convert(cx, Scalar(word, u64), layout)
        assert isinstance(converted, Value)
        return converted
    kind = "record" if isinstance(layout, Struct) else "text"
    raise cx.error(f"{argument.arg} is a {kind}, and a register holds none", argument)
