"""An instruction before its symbols are resolved."""

from __future__ import annotations

from typing import NamedTuple, Union

from pybpf.isa.instruction import Instruction
from pybpf.source import Location

__all__ = [
    "KernelFunctionRef",
    "KernelSymbol",
    "LabelRef",
    "MapRef",
    "MapValueRef",
    "Ref",
    "Statement",
    "SubprogramRef",
]


class MapRef(NamedTuple):
    """The map itself (16-byte load; `BPF_PSEUDO_MAP_FD` when resolved)."""

    name: str


class MapValueRef(NamedTuple):
    """The address of byte `offset` in the only value of an array map (`BPF_PSEUDO_MAP_VALUE`, 5.2)."""

    name: str
    offset: int = 0


class LabelRef(NamedTuple):
    """The target of a jump in the same function."""

    name: str


class SubprogramRef(NamedTuple):
    """A function of the same object: of a call (`BPF_PSEUDO_CALL`), or its address (`BPF_PSEUDO_FUNC`)."""

    name: str


class KernelFunctionRef(NamedTuple):
    """A kernel function that is called by its BTF id (`BPF_PSEUDO_KFUNC_CALL`)."""

    name: str


class KernelSymbol(NamedTuple):
    """What a loaded program calls by its address: a helper, or what the verifier put in its place."""

    name: str


Ref = Union[MapRef, MapValueRef, LabelRef, SubprogramRef, KernelFunctionRef, KernelSymbol]


class Statement(NamedTuple):
    """An instruction, what it refers to by name, the labels that stand at it, and where it was written."""

    insn: Instruction
    ref: Ref | None = None
    labels: tuple[str, ...] = ()
    location: Location | None = None
