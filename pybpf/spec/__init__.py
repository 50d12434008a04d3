"""What is to be made in a kernel, and for which kernel: pure data."""

from pybpf.spec.flat import Flat
from pybpf.spec.layout import Array, Bits, CString, Field, Int, Layout, Pointer, Struct, Union, align_up
from pybpf.spec.objects import (
    LICENSE,
    Attach,
    Function,
    MapSpec,
    ObjectSpec,
    ProgramSpec,
    functions,
    targets,
)
from pybpf.spec.target import ARCHITECTURES, BACKENDS, PORTABLE_FEATURES, Arch, Backend, Target, Usdt

__all__ = [
    "ARCHITECTURES",
    "BACKENDS",
    "LICENSE",
    "PORTABLE_FEATURES",
    "Arch",
    "Array",
    "Attach",
    "Backend",
    "Bits",
    "CString",
    "Field",
    "Flat",
    "Function",
    "Int",
    "Layout",
    "MapSpec",
    "ObjectSpec",
    "Pointer",
    "ProgramSpec",
    "Struct",
    "Target",
    "Union",
    "Usdt",
    "align_up",
    "functions",
    "targets",
]
