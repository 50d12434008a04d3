"""Code generation: IR in, statements of assembly out.

The passes, in their order: `thread` (jumps), `blocks`, `ssa`, `simplify`, `casts`, `strength`, `blocks`,
`dce`, `narrow`, `demand`, `reads` (kernel memory), `stores`, `pairs`, `dce`, `select`; then `registers` with
`spill`, `arms`, `frame`, `emit`.
"""

from pybpf.codegen.builder import Builder
from pybpf.codegen.pipeline import OPTIONAL, STAGES, Options, compile_function, parse_passes

__all__ = ["OPTIONAL", "STAGES", "Builder", "Options", "compile_function", "parse_passes"]
