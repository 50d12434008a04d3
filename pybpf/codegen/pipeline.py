"""The passes in their order, from a function of IR to statements of assembly."""

from __future__ import annotations

from typing import Callable, NamedTuple

from pybpf.asm import Statement
from pybpf.codegen.arms import shorten_arms
from pybpf.codegen.blocks import merge_blocks
from pybpf.codegen.casts import drop_casts
from pybpf.codegen.dce import drop_dead
from pybpf.codegen.demand import relax_extensions
from pybpf.codegen.emit import emit
from pybpf.codegen.frame import place_slots
from pybpf.codegen.ir import Function
from pybpf.codegen.narrow import narrow_jumps
from pybpf.codegen.pairs import join_stores
from pybpf.codegen.reads import expand_reads
from pybpf.codegen.registers import allocate
from pybpf.codegen.select import legalise
from pybpf.codegen.simplify import simplify
from pybpf.codegen.ssa import to_ssa
from pybpf.codegen.stores import drop_dead_stores
from pybpf.codegen.strength import reduce_strength
from pybpf.codegen.thread import thread_jumps
from pybpf.errors import UsageError, near
from pybpf.spec import Target

__all__ = ["OPTIONAL", "STAGES", "Options", "compile_function", "parse_passes"]


class _Pass(NamedTuple):
    name: str
    run: Callable[[Function, Target], None]
    optional: bool = False


def _reads(function: Function, target: Target) -> None:
    expand_reads(function, "probe_read_kernel" if "probe_read_kernel" in target.features else "probe_read")


def _narrow(function: Function, target: Target) -> None:
    if "jmp32" in target.features:
        narrow_jumps(function)


_PASSES = (
    _Pass("thread", lambda function, _: thread_jumps(function), optional=True),
    _Pass("blocks", lambda function, _: merge_blocks(function), optional=True),
    _Pass("ssa", lambda function, _: to_ssa(function)),
    _Pass("simplify", lambda function, _: simplify(function), optional=True),
    _Pass("casts", drop_casts, optional=True),
    _Pass("strength", lambda function, _: reduce_strength(function), optional=True),
    _Pass("blocks", lambda function, _: merge_blocks(function), optional=True),
    _Pass("dce", lambda function, _: drop_dead(function), optional=True),
    _Pass("narrow", _narrow, optional=True),
    _Pass("demand", lambda function, _: relax_extensions(function), optional=True),
    _Pass("reads", _reads),
    _Pass("stores", lambda function, _: drop_dead_stores(function), optional=True),
    _Pass("pairs", lambda function, _: join_stores(function), optional=True),
    _Pass("dce", lambda function, _: drop_dead(function), optional=True),
    _Pass("select", lambda function, _: legalise(function)),
)
OPTIONAL = (*dict.fromkeys(each.name for each in _PASSES if each.optional), "arms")
# What `Options.watch` is called with, in this order; a pass may run more than once.
STAGES = tuple(dict.fromkeys(["lowered", *(each.name for each in _PASSES), "registers", "arms"]))


class Options(NamedTuple):
    """`passes` are the optional ones to run; `watch` is shown the program after each, with its name."""

    passes: frozenset[str] = frozenset(OPTIONAL)
    watch: Callable[[str, Function], None] | None = None


def parse_passes(text: str) -> frozenset[str]:
    """Optional passes as a person names them: `all`, `none`, `thread,dce`, or `-simplify` for all but that.

    Raises UsageError.
    """
    chosen = set(OPTIONAL) if not text or text.startswith(("-", "all")) else set()
    for word in filter(None, text.replace(" ", "").split(",")):
        name = word.lstrip("-")
        if word in ("all", "none"):
            continue
        if name not in OPTIONAL:
            raise UsageError(f"no pass {name!r}{near(name, OPTIONAL)}: there are {', '.join(OPTIONAL)}")
        if word.startswith("-"):
            chosen.discard(name)
        else:
            chosen.add(name)
    return frozenset(chosen)


def compile_function(
    function: Function, target: Target, options: Options | None = None
) -> tuple[Statement, ...]:
    """Optimise a function and make its code. The function is used up."""
    options = options or Options()
    function.order()
    if options.watch:
        options.watch("lowered", function)
    for each in _PASSES:
        if not each.optional or each.name in options.passes:
            each.run(function, target)
            if options.watch:
                options.watch(each.name, function)
    registers = allocate(function)
    if options.watch:
        options.watch("registers", function)
    if "arms" in options.passes:
        shorten_arms(function, registers)
        if options.watch:
            options.watch("arms", function)
    scratch = place_slots(function)
    return tuple(emit(function, registers, scratch, "isa_v4" in target.features))
