"""What the scripts in tools/ write into the package."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from pybpf.uapi import bpf, perf_event

REPO = Path(__file__).parents[3]

HEADER = """\
/* a comment with enum { IN_IT = 1, } */
#define ONE 1 /* tail */
#define WIDE (1ULL << 32)
#define LONG \\
    (ONE | 2)
#define WITH(argument) (argument)
#define TEXT "x"
#define SHIFTED(x) (1 << (x))
enum kind {
    FIRST, // comment
    SECOND = 5,
    THIRD,
    FOURTH = SECOND | WIDE,
    MINUS = (__u64)-3,
    __LAST
};
enum { ALONE = ONE << 3 };
#define SET _IOW('$', 4, __u64)
#define POINTER _IOR('$', 7, __u64 *)
#define NONE _IO ('$', 0)
"""


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, REPO / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_enums_and_macros_that_are_integers() -> None:
    assert dict(tool("gen_uapi").constants(HEADER, {})) == {
        "ONE": 1,
        "WIDE": 1 << 32,
        "LONG": 3,
        "FIRST": 0,
        "SECOND": 5,
        "THIRD": 6,
        "FOURTH": 5 | 1 << 32,
        "MINUS": -3,
        "__LAST": -2,
        "ALONE": 8,
        "SET": 0x40082404,
        "POINTER": 0x80082407,
        "NONE": 0x2400,
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BPF_PROG_LOAD", 5),
        ("BPF_LINK_CREATE", 28),
        ("BPF_MAP_TYPE_RINGBUF", 27),
        ("BPF_PROG_TYPE_RAW_TRACEPOINT", 17),
        ("BPF_PERF_EVENT", 41),
        ("BPF_F_RDONLY_PROG", 1 << 7),
        ("BPF_F_CURRENT_CPU", 0xFFFFFFFF),
        ("BPF_RINGBUF_BUSY_BIT", 1 << 31),
        ("PERF_EVENT_IOC_SET_BPF", 0x40042408),
        ("PERF_COUNT_SW_BPF_OUTPUT", 10),
        ("PERF_RECORD_LOST", 2),
        ("PERF_SAMPLE_RAW", 1 << 10),
        ("PERF_FLAG_FD_CLOEXEC", 8),
    ],
)
def test_numbers_of_the_interface(name: str, value: int) -> None:
    assert getattr(perf_event if name.startswith("PERF_") else bpf, name) == value


def test_the_structs_are_those_that_the_script_writes(tmp_path: Path) -> None:
    generator = tool("gen_ffi")
    generator.generate(tmp_path / "_ffi.py")
    assert (tmp_path / "_ffi.py").read_text() == generator.PATH.read_text()
