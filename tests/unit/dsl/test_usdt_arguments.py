"""Arguments of USDT probes: where an operand says that they are."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest

from pybpf import btf
from pybpf.asm import format_statements
from pybpf.dsl import lower
from pybpf.errors import LoweringError
from pybpf.spec import Function, ObjectSpec, Target, Usdt
from pybpf.uapi import bpf

PLACE = "/lib/x.so:x:y"


def listing(module: Callable[[str], ModuleType], texts: str) -> list[str]:
    """A program that puts the one argument into a map."""
    made = module(f"@usdt('{PLACE}')\ndef probe(a: u64):\n    counts[0] = a\n")
    (program,) = lower(made, {}, Target("t", btf.reference(), usdt={PLACE: Usdt((texts,))}.get)).programs
    return [line.strip() for line in format_statements(program.code)]


@pytest.fixture
def argument(module: Callable[[str], ModuleType]) -> Callable[[str], list[str]]:
    """The code that gets the argument."""

    def run(texts: str) -> list[str]:
        lines = listing(module, texts)
        return lines[: next(i for i, line in enumerate(lines) if line.startswith("*(u64 *)(r10"))]

    return run


@pytest.mark.parametrize(
    ("operand", "code"),
    [
        ("8@%rdi", ["r0 = *(u64 *)(r1 +112)"]),
        ("%rdi", ["r0 = *(u64 *)(r1 +112)"]),
        ("4@%edi", ["r0 = *(u64 *)(r1 +112)", "w0 = w0"]),
        ("-4@%edi", ["r0 = *(u64 *)(r1 +112)", "r0 <<= 32", "r0 s>>= 32"]),
        ("-2@%r12w", ["r0 = *(u64 *)(r1 +24)", "r0 <<= 48", "r0 s>>= 48"]),
        ("1@%al", ["r0 = *(u64 *)(r1 +80)", "r0 &= 255"]),
        ("1@%ah", ["r0 = *(u64 *)(r1 +80)", "r0 >>= 8", "r0 &= 255"]),
        ("-4@%r9d", ["r0 = *(u64 *)(r1 +64)", "r0 <<= 32", "r0 s>>= 32"]),
    ],
)
def test_registers(argument: Callable[[str], list[str]], operand: str, code: list[str]) -> None:
    assert argument(operand) == code


@pytest.mark.parametrize(
    ("operand", "address", "size"),
    [
        ("8@-16(%rbp)", ["r3 = *(u64 *)(r1 +32)", "r3 += -16"], 8),
        ("4@(%rsp)", ["r3 = *(u64 *)(r1 +152)"], 4),
        ("8@100(%rip)", ["r3 = *(u64 *)(r1 +128)", "r3 += 100"], 8),
        (
            "1@8(%rax,%rcx,4)",
            [
                "r0 = *(u64 *)(r1 +80)",
                "r0 += 8",
                "r1 = *(u64 *)(r1 +88)",
                "r1 <<= 2",
                "r3 = r0",
                "r3 += r1",
            ],
            1,
        ),
    ],
)
def test_memory(argument: Callable[[str], list[str]], operand: str, address: list[str], size: int) -> None:
    into = ["r1 = r10", "r1 += -8", f"r2 = {size}", "call bpf_probe_read_user#112"]
    assert argument(operand) == [*address, *into, f"r0 = *(u{8 * size} *)(r10 -8)"]


@pytest.mark.parametrize(
    ("operand", "line"),
    [
        ("-4@$5", "*(u64 *)(r10 -16) = 5"),
        ("-4@$-1", "*(u64 *)(r10 -16) = -1"),
        ("4@$-1", "r0 = 4294967295 ll"),
        ("8@$0x10", "*(u64 *)(r10 -16) = 16"),
    ],
)
def test_constants(module: Callable[[str], ModuleType], operand: str, line: str) -> None:
    assert line in listing(module, operand)


@pytest.mark.parametrize(
    "operand", ["8f@%xmm0", "16@%xmm1", "8@%st", "8@sym(%rip)", "8@8(%rax,%xmm0)", "8@sym"]
)
def test_where_a_probe_can_not_look(argument: Callable[[str], list[str]], operand: str) -> None:
    with pytest.raises(LoweringError) as caught:
        argument(operand)
    assert caught.value.message == f"argument 1 is in {operand}, where a probe can't look"


Lowered = Callable[..., ObjectSpec]


def test_a_program_for_each_kind_of_place(lowered: Lowered) -> None:
    where = "/lib/x.so:x:twice, /usr/bin/python3:python:gc__start"
    text = f"@usdt({where!r}, cookie=[3, 4])\ndef probe(a: u64):\n    counts[0] = a\n"
    programs = lowered(text).programs
    assert [each.name for each in programs] == ["probe", "probe__2", "probe__3"]
    assert [each.attach for each in programs] == [
        ("usdt.multi", (Function(("/lib/x.so:x:twice#0",)),), (3,), 0, 0),
        ("usdt.multi", (Function(("/lib/x.so:x:twice#1",)),), (3,), 0, 0),
        ("usdt", (Function(("/usr/bin/python3:python:gc__start",)),), (4,), 0, 0),
    ]
    multi = bpf.BPF_TRACE_UPROBE_MULTI
    assert [each.attach_type for each in programs] == [multi, multi, 0]
    assert {each.type for each in programs} == {bpf.BPF_PROG_TYPE_KPROBE}


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (
            "/usr/bin/python3:python:gc__start",
            "a usdt has no parameter 4: it takes 3",
        ),
        (
            "/lib/other.so:x:y",
            "where the arguments of a USDT probe are is written in its file, which a program for any kernel"
            " does not look into: lower it for this host (pybpf inspect --target host)",
        ),
        (
            "libc.so.6:setjmp",
            "'libc.so.6:setjmp' is not a USDT probe: write file:provider:name, such as"
            " /usr/bin/python3:python:gc__start",
        ),
    ],
)
def test_errors(lowered: Lowered, where: str, message: str) -> None:
    with pytest.raises(LoweringError) as caught:
        lowered(f"@usdt({where!r})\ndef probe(a: u64, b: u64, c: u64, d: u64):\n    counts[0] = d\n")
    assert caught.value.message == message


def test_one_that_is_not_there_has_any_arguments(lowered: Lowered) -> None:
    """It is lowered to find out, when it is to be attached, that it isn't there."""
    (program,) = lowered(
        "@usdt('/lib/x.so:x:gone')\ndef probe(a: u64, b: i32):\n    counts[a] = u64(b > 0)\n"
    ).programs
    assert program.attach.functions == (Function(("/lib/x.so:x:gone",)),)
