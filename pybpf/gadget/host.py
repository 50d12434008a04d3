"""A program lowered for this host, for whichever back-ends serve its kernel functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pybpf import features
from pybpf.codegen import Options
from pybpf.dsl import lower
from pybpf.errors import LoweringError
from pybpf.gadget.backends import Backends
from pybpf.gadget.programs import Program
from pybpf.spec import ObjectSpec
from pybpf.uapi import bpf

__all__ = ["HostBuild"]


class HostBuild:
    """Lowers a program for this host, once more each time that its `backends` have changed.

    `values` are those of parameters, by name; `buffer` is as `lower` has it, and `size` the bytes of a ring
    buffer; `options` choose the optimiser's passes; `attach` is the wish of `Backends`.
    """

    def __init__(
        self,
        program: Program,
        values: Mapping[str, Any],
        *,
        buffer: str | None = None,
        size: int | None = None,
        options: Options | None = None,
        attach: str = "auto",
    ) -> None:
        self._declarations = program.declarations
        params = self._declarations.params
        self._values = {each.name: each.resolve(values[each.name]) for each in params if each.name in values}
        self._buffer = buffer
        self._size = size
        self._options = options
        self.backends = Backends(self._declarations, self._values, features.host_target(), attach)

    def spec(self) -> ObjectSpec:
        """The program as it is to be loaded. Raises LoweringError."""
        try:
            spec = lower(
                self._declarations,
                self._values,
                self.backends.target,
                buffer=self._buffer,
                options=self._options,
            )
        except LoweringError as error:
            if not self.backends.refused(error):
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
