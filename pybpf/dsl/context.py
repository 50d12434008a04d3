"""What every value needs while a program is lowered: the builder, the target, and a way to complain."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pybpf.codegen.builder import Builder
from pybpf.codegen.ir import Op
from pybpf.errors import FieldNotFound, LoweringError, TypeNotFound
from pybpf.source import Location
from pybpf.spec import Target

if TYPE_CHECKING:
    from pybpf.dsl.dropped import Dropped
    from pybpf.dsl.memory import PathState
    from pybpf.dsl.rodata import Rodata
    from pybpf.dsl.subprograms import Subprogram

__all__ = ["Context"]


class Context:
    """One program on its way to IR. `params` are the parameters' values by name."""

    def __init__(
        self,
        build: Builder,
        target: Target,
        params: Mapping[str, Any],
        buffer: str,
        rodata: Rodata,
        dropped: Dropped,
    ) -> None:
        self.build = build
        self.target = target
        self.params = params
        self.buffer = buffer
        self.rodata = rodata
        self.dropped = dropped
        # The subprograms that are called, by name; shared by a program and its subprograms.
        self.subprograms: dict[str, Subprogram] = {}
        # The kind of probe, as `pybpf.dsl.kinds` has it.
        self.kind = ""
        # Whether it is a kprobe that the kernel's trampolines serve.
        self.trampoline = False
        # Whether it may call helpers that wait.
        self.sleepable = False
        self.file = ""
        self.callers: list[Location] = []
        # What is so on every path to here: of each event being put together, the members that are set.
        self.assigned: dict[PathState, frozenset[str]] = {}

    @property
    def context(self) -> Op:
        """What the program runs on. Raises LoweringError in a subprogram, which doesn't get it."""
        if self.build.context is None:
            raise self.error("a subprogram has no context: do this in the probe, or in a @func")
        return self.build.context

    def place(self, node: ast.AST) -> Location:
        """Where a node was written."""
        line = getattr(node, "lineno", 0)
        column = getattr(node, "col_offset", 0) + 1
        end = getattr(node, "end_col_offset", 0) + 1 if getattr(node, "end_lineno", 0) == line else 0
        return Location(self.file, line, column, end)

    def at(self, node: ast.AST) -> None:
        """What is built from now on comes from `node`."""
        self.build.location = self.place(node)

    def error(
        self,
        message: str,
        node: ast.AST | None = None,
        notes: Iterable[tuple[str, Location]] = (),
    ) -> LoweringError:
        """An error at `node`, or at the place that is being lowered."""
        place = self.place(node) if node is not None else self.build.location
        return LoweringError(message, place, reversed(self.callers), notes)

    def type_of(self, declaration: str) -> Any:
        """The kernel type of a C declaration. Raises LoweringError with near names."""
        try:
            return self.target.btf.type(declaration)
        except TypeNotFound as error:
            raise self.error(f"{error}; the types are those of {self.target.name}") from None

    def field_of(self, type: Any, name: str) -> Any:
        """A field of a kernel struct or union. Raises LoweringError with near names."""
        try:
            return type.field(name)
        except FieldNotFound as error:
            raise self.error(str(error)) from None

    def helper(self, modern: str, old: str) -> str:
        """The first helper of the two that the target has."""
        return modern if "probe_read_kernel" in self.target.features else old

    def read_kernel(self, into: Op, size: int, source: Op) -> None:
        """Copy kernel memory into the program's own; zeros when it can't be read."""
        helper = self.helper("probe_read_kernel", "probe_read")
        self.build.call(helper, into, self.build.const(size), source)
