"""Assembly: statements with symbols, their text, and their bytes.

- `pybpf.asm.ops` builds a `Statement` an instruction: `ops.alu("add", R0, 5)`,
  `ops.jump("jeq", R0, 0, "out")`, `ops.load_map(R1, "starts")`. R0 to R10 are registers, plain ints
  immediates; `ops.at("out", statement)` puts a label at a statement.
- `resolve_labels(statements)` turns labels into distances; `link(statements, map_fds)` also names into
  descriptors, and gives the bytes.
- `format_statement(statement)` and `format_statements(statements)` give the text.
"""

from pybpf.asm.link import link, resolve_labels
from pybpf.asm.printer import format_instruction, format_statement, format_statements
from pybpf.asm.statement import (
    KernelFunctionRef,
    LabelRef,
    MapRef,
    MapValueRef,
    Ref,
    Statement,
    SubprogramRef,
)

__all__ = [
    "KernelFunctionRef",
    "LabelRef",
    "MapRef",
    "MapValueRef",
    "Ref",
    "Statement",
    "SubprogramRef",
    "format_instruction",
    "format_statement",
    "format_statements",
    "link",
    "resolve_labels",
]
