"""From a module of probes to the programs and maps that a kernel takes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import ModuleType
from typing import Any, Callable

from pybpf.asm import KernelFunctionRef, MapRef, MapValueRef, Statement
from pybpf.codegen import Builder, Options, compile_function
from pybpf.dsl.backends import KPROBES, Planned, plan
from pybpf.dsl.collect import Declarations, collect
from pybpf.dsl.context import Context
from pybpf.dsl.decorators import Source
from pybpf.dsl.dropped import Dropped
from pybpf.dsl.kinds import arguments
from pybpf.dsl.lower.calls import Calls
from pybpf.dsl.lower.expressions import Expressions
from pybpf.dsl.lower.statements import Statements
from pybpf.dsl.rodata import Rodata
from pybpf.dsl.subprograms import check_calls
from pybpf.dsl.values import Value, describe, integer
from pybpf.spec import (
    Attach,
    Int,
    Layout,
    ObjectSpec,
    ProgramSpec,
    Target,
)
from pybpf.spec.params import Choice

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
    rodata, dropped = Rodata(), Dropped(each.name for each in found.maps)
    if target.portable:
        rodata.add_params(
            tuple(each for each in found.params if not (each.fixed or isinstance(each, Choice))), values
        )
    make = _Maker(options, target, values, buffer, rodata, dropped)
    programs = tuple(make.program(each) for each in plan(found.probes, values, target))
    maps = [spec for declared in found.maps for spec in declared.specs(buffer)]
    maps += [*rodata.specs(), *dropped.specs()]
    refs = [each.ref for program in programs for each in program.code]
    used = {ref.name for ref in refs if isinstance(ref, (MapRef, MapValueRef))}
    return ObjectSpec(found.name, programs, tuple(each for each in maps if each.name in used), found.file)


class _Maker:
    """Makes the programs of one object."""

    def __init__(
        self,
        options: Options | None,
        target: Target,
        params: Mapping[str, Any],
        buffer: str,
        rodata: Rodata,
        dropped: Dropped,
    ) -> None:
        self.target = target
        self.settings = (target, params, buffer, rodata, dropped)
        self.options = options

    def program(self, planned: Planned) -> ProgramSpec:
        cx = Context(Builder(planned.name), *self.settings)
        kind = planned.halves[0].kind
        # A back-end's kind is called as the probe's is, but for a trampoline's.
        cx.kind = planned.attach.partition(".")[0]
        cx.trampoline = planned.halves[0].probe.kind in KPROBES and cx.kind not in KPROBES
        cx.file = planned.halves[0].probe.source.file
        cx.sleepable = planned.halves[0].probe.sleepable
        names = tuple(name for place in planned.places for name in place.names)
        for half, enter in zip(planned.halves, self._halves(cx, planned)):
            probe = half.probe
            enter()
            given = partial(arguments, cx, probe, names, half.kind)
            self._lower(cx, probe.source, given, f"a {probe.kind}", kind.returns)
        code = compile_function(cx.build.function, self.target, self.options)
        code += self._subprograms(cx)
        attach = Attach(planned.attach, planned.places, planned.cookies, planned.maxactive, planned.pid)
        return ProgramSpec(
            planned.name,
            kind.type,
            code,
            attach,
            attach_type=kind.attach_type,
            sleepable=cx.sleepable,
        )

    def _halves(self, cx: Context, planned: Planned) -> list[Callable[[], None]]:
        """What to do before each of the bodies is written: of two, one is for entries and one for returns."""
        if len(planned.halves) == 1:
            return [lambda: None]
        cx.at(planned.halves[0].probe.source.tree)
        entry, exit = cx.build.new_block("entry"), cx.build.new_block("return")
        returns = cx.build.call(KernelFunctionRef("bpf_session_is_return"), cx.context)
        cx.build.branch("ne", cx.build.extend(returns, 1, False), cx.build.const(0), exit, entry)
        return [partial(cx.build.enter, entry), partial(cx.build.enter, exit)]

    def _subprograms(self, cx: Context) -> tuple[Statement, ...]:
        """The functions that a program calls, and those that they call."""
        code: tuple[Statement, ...] = ()
        done: dict[str, tuple[Statement, ...]] = {}
        while waiting := [each for name, each in cx.subprograms.items() if name not in done]:
            for each in waiting:
                inner = Context(Builder(each.name, len(each.parameters)), *self.settings)
                inner.subprograms, inner.kind, inner.sleepable = cx.subprograms, cx.kind, cx.sleepable
                self._lower(inner, each.source, partial(each.arguments, inner), each.describe(), each.result)
                done[each.name] = compile_function(inner.build.function, self.target, self.options)
                code += done[each.name]
        for name in done:
            check_calls(done, (name,))
        return code

    def _lower(
        self,
        cx: Context,
        source: Source,
        arguments: Callable[[], Mapping[str, Value]],
        what: str,
        returns: Layout | None,
    ) -> None:
        """The body of a function, up to its exit."""
        cx.file = source.file
        frame = _Frame(cx, source)
        frame.result = returns
        cx.at(source.tree)
        for name, value in arguments().items():
            frame.scope.assign(name, value)
        try:
            frame.statements(source.tree.body)
        except RecursionError:
            raise cx.error("this is nested too deeply: give its parts names") from None
        for path, value, place in frame.results():
            cx.build.location = place
            for state, known in path.assigned.items():
                state.check_end(cx, known)
            if returns is None and value is not None:
                raise cx.error(f"{what} returns nothing, and this is {describe(value)}")
            if returns is not None and value is None:
                raise cx.error(f"{what} returns a {returns.name}, and there is a way to its end without one")
        result = frame.finish()
        if cx.build.block is None:
            return
        if isinstance(returns, Int):
            cx.build.exit(integer(cx, result, returns, f"the result of {what}"))
        else:
            cx.build.exit(cx.build.const(0))
