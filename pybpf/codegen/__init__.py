"""Code generation: IR in, statements of assembly out.

The passes, in their order: `thread` (jumps), `blocks`, `ssa`, `simplify`, `strength`, `blocks`, `dce`,
`demand`, `reads` (kernel memory), `stores`, `narrow`, `dce`, `select`; then `registers`, `frame`, `emit`.
"""

from pybpf.codegen.builder import Builder
from pybpf.codegen.pipeline import OPTIONAL, STAGES, Options, compile_function, parse_passes

__all__ = ["OPTIONAL", "STAGES", "Builder", "Options", "compile_function", "parse_passes"]
