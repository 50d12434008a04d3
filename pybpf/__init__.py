"""eBPF from Python alone: write a probe as a Python function; lower, load, attach, read and explain it.

Names are resolved when they are first used, so that importing costs next to nothing.
"""

from __future__ import annotations

# As type checkers know it; to import typing takes as long as Python's own start.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from pybpf.dsl import (
        Array,
        ArrayMap,
        ArrayOfMaps,
        Bits,
        BloomFilter,
        CgroupArray,
        CgroupStorage,
        Choice,
        Counter,
        CString,
        Events,
        Flag,
        Global,
        HashMap,
        HashOfMaps,
        InodeStorage,
        LinearHist,
        Log2Hist,
        LpmTrie,
        LruHashMap,
        LruPerCpuHashMap,
        Param,
        PerCpuArrayMap,
        PerCpuHashMap,
        ProgramArray,
        Queue,
        RawMap,
        Record,
        SocketStorage,
        Stack,
        StackTrace,
        TaskStorage,
        Union,
        UserEvents,
        cgroup,
        fentry,
        fexit,
        fmod_ret,
        func,
        i8,
        i16,
        i32,
        i64,
        iterator,
        kprobe,
        kretprobe,
        loop,
        lsm,
        netfilter,
        perf_event,
        raw_tracepoint,
        socket_filter,
        static,
        subprogram,
        table,
        tc,
        tp_btf,
        tracepoint,
        u8,
        u16,
        u32,
        u64,
        unroll,
        uprobe,
        uretprobe,
        usdt,
        xdp,
    )
    from pybpf.dsl.lower.program import lower
    from pybpf.gadget import Gadget

__version__ = "0.1.0"

__all__ = [
    "Array",
    "ArrayMap",
    "ArrayOfMaps",
    "Bits",
    "BloomFilter",
    "CString",
    "CgroupArray",
    "CgroupStorage",
    "Choice",
    "Counter",
    "Events",
    "Flag",
    "Gadget",
    "Global",
    "HashMap",
    "HashOfMaps",
    "InodeStorage",
    "LinearHist",
    "Log2Hist",
    "LpmTrie",
    "LruHashMap",
    "LruPerCpuHashMap",
    "Param",
    "PerCpuArrayMap",
    "PerCpuHashMap",
    "ProgramArray",
    "Queue",
    "RawMap",
    "Record",
    "SocketStorage",
    "Stack",
    "StackTrace",
    "TaskStorage",
    "Union",
    "UserEvents",
    "cgroup",
    "fentry",
    "fexit",
    "fmod_ret",
    "func",
    "i8",
    "i16",
    "i32",
    "i64",
    "iterator",
    "kprobe",
    "kretprobe",
    "loop",
    "lower",
    "lsm",
    "netfilter",
    "perf_event",
    "raw_tracepoint",
    "socket_filter",
    "static",
    "subprogram",
    "table",
    "tc",
    "tp_btf",
    "tracepoint",
    "u8",
    "u16",
    "u32",
    "u64",
    "unroll",
    "uprobe",
    "uretprobe",
    "usdt",
    "xdp",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    module = importlib.import_module("pybpf.gadget" if name == "Gadget" else "pybpf.dsl")
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
