"""Code generation: IR in, statements of assembly out.

The passes, in their order: `thread` (jumps), `blocks`, `ssa`, `simplify`, `demand`, `reads` (kernel memory),
`dce`, `select`, `registers`, `frame`, `emit`.
"""

from __future__ import annotations

from pybpf.asm import Statement
from pybpf.codegen.blocks import merge_blocks
from pybpf.codegen.builder import Builder
from pybpf.codegen.dce import drop_dead
from pybpf.codegen.demand import relax_loads
from pybpf.codegen.emit import emit
from pybpf.codegen.frame import place_slots
from pybpf.codegen.ir import Function
from pybpf.codegen.reads import expand_reads
from pybpf.codegen.registers import allocate
from pybpf.codegen.select import legalise
from pybpf.codegen.simplify import simplify
from pybpf.codegen.ssa import to_ssa
from pybpf.codegen.thread import thread_jumps
from pybpf.spec import Target

__all__ = ["Builder", "compile_function"]


def compile_function(function: Function, target: Target) -> tuple[Statement, ...]:
    """Optimise a function and make its code. The function is used up."""
    thread_jumps(function)
    merge_blocks(function)
    to_ssa(function)
    simplify(function)
    merge_blocks(function)
    drop_dead(function)
    relax_loads(function)
    expand_reads(function, "probe_read_kernel" if "probe_read_kernel" in target.features else "probe_read")
    drop_dead(function)
    legalise(function, "jmp32" in target.features)
    registers = allocate(function)
    scratch = place_slots(function)
    return tuple(emit(function, registers, scratch, "isa_v4" in target.features))
