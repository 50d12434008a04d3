"""From a module of probes to the programs and maps that a kernel takes."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from pybpf.codegen import Options, compile_function
from pybpf.dsl.collect import Declarations, collect
from pybpf.dsl.context import Context
from pybpf.dsl.decorators import Probe
from pybpf.dsl.kernel import pointer
from pybpf.dsl.lower.calls import Calls
from pybpf.dsl.lower.expressions import Expressions
from pybpf.dsl.lower.stage import RODATA
from pybpf.dsl.lower.statements import Statements
from pybpf.dsl.params import Choice, Param
from pybpf.dsl.types import layout_of, u64
from pybpf.dsl.values import Scalar, Value, convert
from pybpf.errors import LoweringError
from pybpf.spec import (
    Attach,
    Int,
    MapSpec,
    ObjectSpec,
    Pointer,
    ProgramSpec,
    Struct,
    Target,
    align_up,
    functions,
)
from pybpf.uapi import bpf

__all__ = ["lower"]


class _Frame(Statements, Expressions, Calls):
    """All parts of lowering together."""


def lower(
    module: ModuleType | Declarations,
    params: Mapping[str, Any],
    target: Target,
    *,
    buffer: str | None = None,
    options: Options | None = None,
) -> ObjectSpec:
    """Lower all probes of a module: equal input gives equal output, on every machine.

    `params` are values by parameter name; those not given have their defaults. `buffer` is `ringbuf` or
    `perf`; None takes the ring buffer where the target has it. `options` choose the passes. Raises
    LoweringError.
    """
    found = module if isinstance(module, Declarations) else collect(module)
    values = {param.name: params.get(param.name, param.default) for param in found.params}
    buffer = buffer or ("ringbuf" if "ringbuf" in target.features else "perf")
    rodata, data = _rodata(found.params, values) if target.portable else ({}, b"")
    maps = [spec for declared in found.maps for spec in declared.specs(buffer)]
    if data:
        maps.append(
            MapSpec(RODATA, bpf.BPF_MAP_TYPE_ARRAY, 4, len(data), 1, bpf.BPF_F_RDONLY_PROG, data=data)
        )
    programs = []
    for probe in found.probes:
        cx = Context(probe.name, target, values, buffer, rodata)
        programs.append(_program(cx, probe, options))
    return ObjectSpec(found.name, tuple(programs), tuple(maps), found.file)


def _rodata(params: tuple[Param, ...], values: Mapping[str, Any]) -> tuple[dict[str, int], bytes]:
    """Where each parameter lies in `.rodata`, and what that holds."""
    offsets, data = {}, b""
    for param in params:
        if not isinstance(param, Choice):
            offset = align_up(len(data), max(8, param.layout.align))
            offsets[param.name] = offset
            data = data.ljust(offset, b"\0") + param.pack(values[param.name])
    return offsets, data.ljust(align_up(len(data), 8), b"\0")


def _program(cx: Context, probe: Probe, options: Options | None) -> ProgramSpec:
    source = probe.source
    cx.file = source.file
    frame = _Frame(cx, source)
    cx.at(source.tree)
    for name, value in _arguments(cx, probe).items():
        frame.scope.assign(name, value)
    frame.statements(source.tree.body)
    result = frame.finish()
    if result is not None:
        raise cx.error(f"{probe.name} returns {_found(result)}: a {probe.kind} returns nothing", source.tree)
    if cx.build.block is not None:
        cx.build.exit(cx.build.const(0))
    where = probe.where
    if not isinstance(where, str):
        where = where.choice.rows[cx.params[where.choice.name]].get(where.column, "")
    code = compile_function(cx.build.function, cx.target, options)
    return ProgramSpec(probe.name, bpf.BPF_PROG_TYPE_KPROBE, code, Attach(probe.kind, functions(where)))


def _found(value: Any) -> str:
    return value.describe() if isinstance(value, Value) else repr(value)


def _arguments(cx: Context, probe: Probe) -> dict[str, Value]:
    """The parameters of a probe: registers of the function that it's attached to, as `pt_regs` keeps them."""
    arch, tree = cx.target.arch, probe.source.tree
    registers = arch.arguments if probe.kind == "kprobe" else (arch.result,)
    declared = tree.args.args
    others = [*tree.args.kwonlyargs, tree.args.vararg, tree.args.kwarg]
    if len(declared) > len(registers) or any(others):
        raise cx.error(
            f"a {probe.kind} takes at most {len(registers)} plain parameter{'s' * (len(registers) > 1)}", tree
        )
    names = probe.source.names()
    annotations = probe.source.function.__annotations__
    found: dict[str, Value] = {}
    for argument, register in zip(declared, registers):
        cx.at(argument)
        if argument.arg not in annotations:
            raise cx.error(
                f'{argument.arg} has no type: write its C declaration, such as "struct file *", or u64',
                argument,
            )
        field = cx.field_of(cx.type_of("struct pt_regs"), register)
        raw = cx.build.load(cx.build.context, field.offset, 8)
        try:
            layout = layout_of(annotations[argument.arg], names, argument.arg)
        except LoweringError as error:
            raise cx.error(error.message, argument) from None
        if isinstance(layout, Pointer):
            found[argument.arg] = pointer(cx, raw, layout.declaration)
        elif isinstance(layout, Int):
            found[argument.arg] = convert(cx, Scalar(raw, u64), layout)
        else:
            kind = "record" if isinstance(layout, Struct) else "text"
            raise cx.error(f"{argument.arg} is a {kind}, and a register holds none", argument)
    return found
