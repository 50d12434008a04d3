"""What probes on kernel functions become for each back-end, and that they do the same."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from pybpf import btf
from pybpf.asm import KernelFunctionRef
from pybpf.asm.helpers import helper_id
from pybpf.dsl import lower
from pybpf.errors import LoweringError
from pybpf.spec import BACKENDS, Backend, ObjectSpec, ProgramSpec, Target, functions
from pybpf.uapi import bpf

TARGET = Target("reference", btf.reference())
SOURCE = """

@kprobe("one, two?", cookie=[7, 8])
def entry(file: "struct file *", flags: u32, inode: "struct inode *"):
    counts[1] = file.f_flags + flags + inode.i_ino

@kretprobe("one, two?", maxactive=5)
def leave(ret: u64):
    counts[2] = ret
"""
SYSCALL = """

@kprobe("openat", syscall=True)
def entry(fd: i32, name: "const char *", flags: i32, mode: u16):
    counts[1] = mode
"""
_KPROBE, _TRACING = bpf.BPF_PROG_TYPE_KPROBE, bpf.BPF_PROG_TYPE_TRACING
_MULTI, _SESSION = bpf.BPF_TRACE_KPROBE_MULTI, bpf.BPF_TRACE_KPROBE_SESSION
_READ = helper_id("probe_read_kernel")
PARAMETERS = ("struct file", "", "struct inode", "")


def lowered(made: ModuleType, **backends: str) -> ObjectSpec:
    chosen = (
        Backend(function, name, PARAMETERS if name == "fentry" else ()) for function, name in backends.items()
    )
    return lower(made, {}, TARGET._replace(backends=tuple(chosen)))


def described(spec: ObjectSpec) -> list[tuple[Any, ...]]:
    return [
        (
            each.name,
            each.type,
            each.attach_type,
            each.attach.kind,
            ",".join(place.names[0] for place in each.attach.functions),
            each.attach.cookies,
            each.attach.maxactive,
        )
        for each in spec.programs
    ]


PROGRAMS = {
    "kprobe": [
        ("entry", _KPROBE, 0, "kprobe", "one,two", (7, 8), 0),
        ("leave", _KPROBE, 0, "kretprobe", "one,two", (), 0),
    ],
    "tracefs": [
        ("entry", _KPROBE, 0, "kprobe.tracefs", "one,two", (7, 8), 0),
        ("leave", _KPROBE, 0, "kretprobe.tracefs", "one,two", (), 5),
    ],
    "multi": [
        ("entry", _KPROBE, _MULTI, "kprobe.multi", "one,two", (7, 8), 0),
        ("leave", _KPROBE, _MULTI, "kretprobe.multi", "one,two", (), 0),
    ],
    "session": [("entry", _KPROBE, _SESSION, "kprobe.session", "one,two", (7, 8), 0)],
    "fentry": [
        ("entry", _TRACING, bpf.BPF_TRACE_FENTRY, "fentry", "one", (7,), 0),
        ("entry__2", _TRACING, bpf.BPF_TRACE_FENTRY, "fentry", "two", (8,), 0),
        ("leave", _TRACING, bpf.BPF_TRACE_FEXIT, "fexit", "one", (), 0),
        ("leave__2", _TRACING, bpf.BPF_TRACE_FEXIT, "fexit", "two", (), 0),
    ],
}


def test_there_is_a_row_for_each() -> None:
    assert sorted(PROGRAMS) == sorted(BACKENDS)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_programs(module: Callable[[str], ModuleType], name: str) -> None:
    made = module(SOURCE)
    assert described(lowered(made, one=name, two=name)) == PROGRAMS[name]


def test_functions_of_one_probe_by_different_back_ends(module: Callable[[str], ModuleType]) -> None:
    spec = lowered(module(SOURCE), one="fentry", two="session")
    assert [(each[0], each[3], each[4]) for each in described(spec)] == [
        ("entry", "fentry", "one"),
        ("entry__2", "kprobe.session", "two"),
        ("leave", "fexit", "one"),
    ]


def test_a_function_without_a_back_end_is_a_plain_kprobe(module: Callable[[str], ModuleType]) -> None:
    spec = lowered(module(SOURCE), two="multi")
    assert [(each[0], each[3], each[4]) for each in described(spec)] == [
        ("entry", "kprobe", "one"),
        ("entry__2", "kprobe.multi", "two"),
        ("leave", "kretprobe", "one"),
        ("leave__2", "kretprobe.multi", "two"),
    ]


def test_without_back_ends_nothing_changes(module: Callable[[str], ModuleType]) -> None:
    made = module(SOURCE)
    assert lower(made, {}, TARGET).programs == lowered(made, one="kprobe", two="kprobe").programs


def calls(program: ProgramSpec) -> list[int]:
    """The helpers that it calls, by number."""
    return [each.insn.imm for each in program.code if each.insn.opcode == 0x85 and each.insn.src == 0]


def loads(program: ProgramSpec) -> list[tuple[int, int]]:
    """What it reads of its context, which is in r1 or was moved to r6: offset and size in words."""
    known = {1}
    found = []
    for insn in (each.insn for each in program.code):
        if insn.opcode == 0xBF and insn.src in known:
            known.add(insn.dst)
        elif insn.opcode == 0x79 and insn.src in known:
            found.append((insn.src, insn.offset))
            known.discard(insn.dst)
    return found


def test_a_trampoline_gets_arguments_as_they_are(module: Callable[[str], ModuleType]) -> None:
    """Those that BTF knows by their struct are followed by plain loads; what was returned comes last."""
    spec = lowered(module(SOURCE), one="fentry")
    assert _READ not in calls(spec.program("entry"))
    assert sorted(offset for _, offset in loads(spec.program("entry"))) == [0, 8, 16]
    assert [offset for _, offset in loads(spec.program("leave"))] == [32]


def test_what_btf_knows_otherwise_is_read_as_in_a_kprobe(module: Callable[[str], ModuleType]) -> None:
    chosen = Backend("one", "fentry", ("struct file", "", ""))
    spec = lower(module(SOURCE), {}, TARGET._replace(backends=(chosen,)))
    assert calls(spec.program("entry")).count(_READ) == 1  # of the inode


def test_a_session_asks_at_which_end_it_is(module: Callable[[str], ModuleType]) -> None:
    spec = lowered(module(SOURCE), one="session")
    refs = [each.ref for each in spec.program("entry").code]
    asked = [ref.name for ref in refs if isinstance(ref, KernelFunctionRef)]
    assert asked == ["bpf_session_is_return"]


@pytest.mark.parametrize(
    ("decorator", "stack", "backend", "message"),
    [
        ("kprobe", "kernel", "multi", ""),
        ("kprobe", "user", "fentry", ""),
        ("fentry", "kernel", "", ""),
        (
            *("kprobe", "kernel", "fentry"),
            "a stack would begin with the kernel's trampoline, where a kprobe's does not",
        ),
    ],
)
def test_a_kernel_stack_is_as_a_kprobe_sees_it(
    module: Callable[[str], ModuleType], decorator: str, stack: str, backend: str, message: str
) -> None:
    made = module(
        f"traces = StackTrace('traces', 8)\n@{decorator}('one')\ndef p():\n    traces.{stack}_stack()\n"
    )
    backends = {"one": backend} if backend else {}
    if not message:
        lowered(made, **backends)
        return
    with pytest.raises(LoweringError) as caught:
        lowered(made, **backends)
    assert caught.value.message == message


def test_system_calls(module: Callable[[str], ModuleType]) -> None:
    """Their functions get the registers of the process; the fourth argument is in r10."""
    made = module(SYSCALL)
    (plain,) = lower(made, {}, TARGET).programs
    assert plain.attach.functions == functions("__x64_sys_openat")
    r10 = TARGET.btf["struct pt_regs"].offset_of("r10")
    chosen = Backend("__x64_sys_openat", "fentry", ("struct pt_regs",))
    (direct,) = lower(made, {}, TARGET._replace(backends=(chosen,))).programs
    assert _READ in calls(plain)
    assert _READ not in calls(direct)
    assert any(each.insn.offset == r10 for each in direct.code)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("a: u64, b: u64, c: u64, d: u64, e: u64, f: u64, g: u64", "a kprobe has no parameter 7: it takes 6"),
    ],
)
def test_errors(module: Callable[[str], ModuleType], parameters: str, message: str) -> None:
    made = module(f"@kprobe('read', syscall=True)\ndef p({parameters}):\n    pass\n")
    with pytest.raises(LoweringError) as caught:
        lower(made, {}, TARGET)
    assert caught.value.message == message
