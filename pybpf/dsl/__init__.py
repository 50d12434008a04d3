"""The language of probes: a subset of Python, staged: what is known at build time decides now."""

from pybpf.dsl.collect import Declarations, collect
from pybpf.dsl.decorators import Func, Probe, func, kprobe, kretprobe, raw_tracepoint
from pybpf.dsl.lower import lower
from pybpf.dsl.maps import Events, HashMap, Map
from pybpf.dsl.params import Choice, Param, table
from pybpf.dsl.record import Record
from pybpf.dsl.subprograms import loop, subprogram
from pybpf.dsl.types import CString, i8, i16, i32, i64, u8, u16, u32, u64
from pybpf.dsl.values import static, unroll

__all__ = [
    "CString",
    "Choice",
    "Declarations",
    "Events",
    "Func",
    "HashMap",
    "Map",
    "Param",
    "Probe",
    "Record",
    "collect",
    "func",
    "i8",
    "i16",
    "i32",
    "i64",
    "kprobe",
    "kretprobe",
    "loop",
    "lower",
    "raw_tracepoint",
    "static",
    "subprogram",
    "table",
    "u8",
    "u16",
    "u32",
    "u64",
    "unroll",
]
