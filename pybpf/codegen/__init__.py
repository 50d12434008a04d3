"""Code generation: IR in, statements of assembly out.

The passes, in their order: `thread` (jumps), `blocks`, `ssa`, `simplify`, `demand`, `reads` (kernel memory),
`dce`, `select`, `registers`, `frame`, `emit`.
"""

from pybpf.codegen.builder import Builder
from pybpf.codegen.pipeline import OPTIONAL, Options, compile_function, parse_passes

__all__ = ["OPTIONAL", "Builder", "Options", "compile_function", "parse_passes"]
