"""Assembly: statements with symbols, their text, and their bytes.

- `assemble(text) -> bytes` and `disassemble(code) -> str` are the plain way in.
- `parse(text)` gives the statements of a text, with symbols; `format_statement(statement)` and
  `format_statements(statements)` give it back.
- `pybpf.asm.ops` builds a `Statement` an instruction: `ops.alu("add", R0, 5)`,
  `ops.jump("jeq", R0, 0, "out")`, `ops.load_map(R1, "starts")`. R0 to R10 are registers, plain ints
  immediates; `ops.at("out", statement)` puts a label at a statement.
- `resolve_labels(statements)` turns labels into distances; `link(statements, map_fds)` also names into
  descriptors, and gives the bytes.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pybpf.asm.link import link, resolve_labels
from pybpf.asm.statement import (
    KernelFunctionRef,
    KernelSymbol,
    LabelRef,
    MapRef,
    MapValueRef,
    Ref,
    Statement,
    SubprogramRef,
)

if TYPE_CHECKING:
    from pybpf.asm.printer import format_instruction, format_statement, format_statements
    from pybpf.asm.reader import parse
    from pybpf.asm.text import assemble, disassemble

__all__ = [
    "KernelFunctionRef",
    "KernelSymbol",
    "LabelRef",
    "MapRef",
    "MapValueRef",
    "Ref",
    "Statement",
    "SubprogramRef",
    "assemble",
    "disassemble",
    "format_instruction",
    "format_statement",
    "format_statements",
    "link",
    "parse",
    "resolve_labels",
]

# Only who handles text pays for importing what handles it.
_LAZY = {
    "assemble": "text",
    "disassemble": "text",
    "format_instruction": "printer",
    "format_statement": "printer",
    "format_statements": "printer",
    "parse": "reader",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"pybpf.asm.{_LAZY[name]}"), name)
    globals()[name] = value
    return value
