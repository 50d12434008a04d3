"""The types of a kernel, a module or an object: look up, lay out, build, cut out.

btf = pybpf.btf.kernel()
btf["struct task_struct"].offset_of("se.avg.load_avg")
"""

from pybpf.btf.field import Field, Load
from pybpf.btf.graph import Btf
from pybpf.btf.source import kernel, load, module, parse, places, reference, use
from pybpf.btf.types import Member, Parameter, Type, Value

__all__ = [
    "Btf",
    "Field",
    "Load",
    "Member",
    "Parameter",
    "Type",
    "Value",
    "kernel",
    "load",
    "module",
    "parse",
    "places",
    "reference",
    "use",
]
