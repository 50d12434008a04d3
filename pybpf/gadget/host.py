"""A program lowered for this host, for whichever back-ends serve its kernel functions."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pybpf.errors import BpfError, LoweringError
from pybpf.gadget import kept
from pybpf.gadget.programs import Program
from pybpf.spec import Function, ObjectSpec
from pybpf.uapi import bpf

if TYPE_CHECKING:
    from pybpf.gadget.backends import Backends
    from pybpf.load import Ready

__all__ = ["HostBuild"]


class HostBuild:
    """Lowers a program for this host, once more each time that its `backends` have changed.

    `values` are those of parameters, by name; `buffer` is as `lower` has it, and `size` the bytes of a ring
    buffer; `passes` are the optimiser's optional ones to run, None for all; `attach` is the wish of
    `Backends`. With `keep`, what an earlier run kept is the build, as long as that is `kept`; and this one's
    is kept unless something is met that the next run is to meet again (`keeping`).
    """

    def __init__(
        self,
        program: Program,
        values: Mapping[str, Any],
        *,
        buffer: str | None = None,
        size: int | None = None,
        passes: frozenset[str] | None = None,
        attach: str = "auto",
        keep: bool = False,
    ) -> None:
        self._program = program
        self._values = {
            each.name: each.resolve(values[each.name]) for each in program.params if each.name in values
        }
        self._buffer = buffer
        self._size = size
        self._passes = passes
        self._attach = attach
        self.keeping = keep and program.lasting
        self.kept = kept.build(program.path, self._values, self._how) if self.keeping else None

    @property
    def _how(self) -> tuple[Any, ...]:
        passes = None if self._passes is None else sorted(self._passes)
        return self._buffer, self._size, passes, self._attach

    @functools.cached_property
    def backends(self) -> Backends:
        """What serves the kernel functions, chosen when it is first asked for."""
        from pybpf import features
        from pybpf.gadget.backends import Backends

        return Backends(self._program.declarations, self._values, features.host_target(), self._attach)

    def refused(self, error: BpfError, spec: ObjectSpec | None = None) -> bool:
        """See `Backends.refused`. The next run is to find out as well, so that it can say why."""
        self.keeping = False
        return self.backends.refused(error, spec)

    def keep(self, spec: ObjectSpec, ready: Ready, symbols: dict[tuple[str, Function], str]) -> None:
        """Let the next run use what this one has loaded and attached."""
        if self.keeping and self.kept is None:
            kept.keep_build(self._program.path, self._values, self._how, spec, ready, symbols)

    def spec(self) -> ObjectSpec:
        """The program as it is to be loaded. Raises LoweringError."""
        if self.kept is not None:
            return self.kept.spec
        from pybpf.codegen import Options
        from pybpf.dsl import lower

        try:
            spec = lower(
                self._program.declarations,
                self._values,
                self.backends.target,
                buffer=self._buffer,
                options=Options() if self._passes is None else Options(self._passes),
            )
        except LoweringError as error:
            if not self.refused(error):
                raise
            return self.spec()
        return _sized(spec, self._size) if self._size else spec


def _sized(spec: ObjectSpec, size: int) -> ObjectSpec:
    """The same with a ring buffer of this size."""
    return spec._replace(
        maps=tuple(
            each._replace(max_entries=size) if each.type == bpf.BPF_MAP_TYPE_RINGBUF else each
            for each in spec.maps
        )
    )
