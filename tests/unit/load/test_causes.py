"""What is said of each of the usual rejections, from logs that kernels wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from pybpf.asm import Statement, ops
from pybpf.asm.ops import R0, R1, R2, R6, R7, R10
from pybpf.load import registers, verifier
from pybpf.load.causes import CAUSES, cause
from pybpf.source import Location
from pybpf.spec import Attach, ProgramSpec
from pybpf.uapi import bpf

LOGS = Path(__file__).parents[2] / "data" / "verifier"

# Log, the first words of why, and what the register is that the message names.
REASONS = {
    "5.10-null": ("this may be None here", ""),
    "6.1-null": ("this may be None here", "r0 is a value of a map, or None"),
    "7.3-null": ("this may be None here", "r0 is a value of the map starts, or None"),
    "5.10-bounds": ("this access may lie outside", "r0 is a value of a map, of 16 bytes"),
    "6.1-bounds": ("this access may lie outside", "r0 is a value of a map, of 16 bytes"),
    "7.3-bounds": ("this access may lie outside", "r0 is a value of the map starts, of 16 bytes"),
    "6.18-index_max": (
        "this access may lie outside",
        "r0 is a value of the map starts, of 16 bytes, at an offset from 0 to 63",
    ),
    "6.18-index": ("this access may lie outside", ""),
    "6.18-packet": ("this access may lie outside", "r6 is an address in the packet"),
    "6.18-scalar": ("this is a number to the verifier", "r6 is any number"),
    "6.18-negative": ("this size or offset may be negative", "r2 is any number"),
    "7.3-argument": ("this size or offset may be negative", "r2 is the number -1"),
    "6.18-stack": ("this is beyond the 512 bytes of the stack", "r1 is an address in the stack (r10)"),
    "6.18-unread": ("this register holds nothing here", ""),
    "6.18-clobbered": ("this register holds nothing here", ""),
    "5.10-unreachable": ("no path leads to this instruction", ""),
    "7.3-unreachable": ("no path leads to this instruction", ""),
    "6.18-infinite": ("this loop has no end", ""),
    "6.18-too_large": ("the verifier walks through each path", ""),
    "6.18-helper": ("this kernel doesn't let", ""),
    "6.18-unknown_helper": ("this kernel doesn't let", ""),
    "6.18-license": ("that helper is for programs under the GPL", ""),
    "6.18-reference": ("something that was acquired", ""),
    "7.3-no_exit": ("the program runs past its end", ""),
    "6.18-jump": ("the program runs past its end", ""),
    "6.18-exit_value": ("a program of this type may not return that", "r0 is the number 5"),
    "6.18-argument": ("the helper wants another kind of argument", "r1 is the number 5"),
    "6.18-pointer_math": ("the verifier lets only bounded numbers", "r1 is the context"),
    "6.18-pointer_add": ("the verifier lets only bounded numbers", "r1 is the context"),
    "6.18-misaligned": ("the address is no multiple", ""),
    "6.18-context": ("what a program of this type runs on", ""),
    "6.18-read_only": ("this memory can be read only", ""),
    "6.18-deep": ("calls are nested more than 8 deep", ""),
    "6.1-stack_of_calls": ("the program and the subprograms that it calls", ""),
    "6.1-infinite": ("this loop has no end", ""),
    "6.1-scalar": ("this is a number to the verifier", "r6 is any number"),
    "6.1-uninitialised": (
        "this is beyond the 512 bytes of the stack",
        "r2 is an address in the stack (r10 -8)",
    ),
    "6.1-index_max": (
        "this access may lie outside",
        "r0 is a value of a map, of 16 bytes, at an offset from 0 to 63",
    ),
    "6.1-exit_value": ("a program of this type may not return that", "r0 is the number 5"),
    "6.1-reference": ("something that was acquired", ""),
    "6.1-not_modifiable": ("the kernel lets programs change the results only", ""),
    "6.1-not_sleepable": ("nothing may wait where this program is to run", ""),
    "6.18-division": ("this constant is refused", ""),
    "6.18-shift": ("this constant is refused", ""),
}


def a_program(*code: Statement) -> ProgramSpec:
    return ProgramSpec("probe", bpf.BPF_PROG_TYPE_KPROBE, code, Attach("kprobe", ()))


@pytest.mark.parametrize("name", REASONS)
def test_reasons(name: str) -> None:
    why, register = REASONS[name]
    notes = verifier.error(a_program(), (LOGS / f"{name}.log").read_text()).notes
    found = cause(verifier.read((LOGS / f"{name}.log").read_text()).summary)
    assert found is not None
    assert found.why.startswith(why)
    assert notes == (f"that is: {found.why}", f"what helps: {found.cure}", *([register] if register else []))


def test_every_cause_has_a_log_that_shows_it_or_a_message_of_the_kernel() -> None:
    shown = {cause(verifier.read(path.read_text()).summary) for path in LOGS.glob("*.log")}
    others = [
        "R10 leaks addr into map",
        "access beyond struct task_struct at off 99999 size 8",
    ]
    assert {*CAUSES} == {*shown, *map(cause, others)} - {None}
    assert len(CAUSES) >= 20


def test_a_message_that_nobody_knows_is_shown_as_it_is() -> None:
    assert cause("something new") is None
    error = verifier.error(a_program(), "0: (95) exit\nsomething new\n")
    assert str(error) == "the verifier rejected probe: something new\n    0: (95) exit\n    something new"


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("5", "the number 5"),
        ("inv5", "the number 5"),
        ("invP-1", "the number -1"),
        ("0x51615", "the number 333333"),
        ("scalar()", "any number"),
        ("inv(id=0)", "any number"),
        ("scalar(smin=smin32=0,smax=umax=smax32=umax32=63,var_off=(0x0; 0x3f))", "a number from 0 to 63"),
        ("inv(id=0,umax_value=255,var_off=(0x0; 0xff))", "a number from 0 to 255"),
        ("scalar(umin=1,umax=9)", "a number from 1 to 9"),
        ("scalar(smin=-5,smax=5)", "a number from -5 to 5"),
        ("fp-8", "an address in the stack (r10 -8)"),
        ("fp0", "an address in the stack (r10)"),
        ("ctx(off=0,imm=0)", "the context"),
        ("map_ptr(map=starts,ks=8,vs=16)", "the map starts"),
        ("map_value(map=starts,ks=8,vs=16,off=4)", "a value of the map starts, of 16 bytes, at offset 4"),
        ("map_value_or_null(id=1,off=0,ks=8,vs=16,imm=0)", "a value of a map, or None"),
        ("ptr_task_struct(off=0,imm=0)", "a struct task_struct *"),
        ("trusted_ptr_file()", "a struct file *"),
        ("ptr_or_null_sock(id=2)", "a struct sock *, or None"),
        ("ringbuf_mem_or_null(id=2,ref_obj_id=2,sz=8)", "memory of 8 bytes, or None"),
        ("pkt(r=14)", "an address in the packet"),
        ("pkt_end()", "the end of the packet"),
        ("dynptr_ptr(x=1)", "dynptr_ptr(x=1)"),
    ],
)
def test_states_in_words(state: str, words: str) -> None:
    assert registers.state([f"6: (85) call x ; R6=1 R0_w={state} R10=fp0"], 0) == state
    assert registers.meaning(state) == words


SOURCE = """\
def probe(n: u64, other: u64):
    entry = starts[key]
    if n:
        other = entry.ts
"""


def test_the_authors_own_name_is_found_through_moves_and_spills(tmp_path: Path) -> None:
    file = tmp_path / "probe.py"
    file.write_text(SOURCE)

    def at(line: int, column: int, end: int, statement: Statement) -> Statement:
        return statement._replace(location=Location(str(file), line, column, end))

    code = (
        at(1, 11, 17, ops.load(8, R6, R1, 112)),
        at(2, 13, 24, ops.load_map(R1, "starts")),
        at(2, 13, 24, ops.call("map_lookup_elem")),
        at(2, 5, 10, ops.store(8, R10, -8, R0)),
        at(3, 8, 9, ops.jump("jeq", R6, 0, 3)),
        at(4, 17, 25, ops.load(8, R7, R10, -8)),
        at(4, 17, 25, ops.mov64(R2, R7)),
        at(4, 17, 25, ops.load(8, R0, R2, 0)),
    )
    log = (
        "0: (79) r6 = *(u64 *)(r1 +112) ; R1=ctx() R6=scalar()\n"
        "1: (18) r1 = 0x0 ; R1=map_ptr(map=starts,ks=8,vs=16)\n"
        "3: (85) call bpf_map_lookup_elem#1 ; R0=map_value_or_null(id=1,map=starts,ks=8,vs=16)\n"
        "4: (7b) *(u64 *)(r10 -8) = r0\n"
        "5: (15) if r6 == 0x0 goto pc+3\n"
        "9: (b7) r7 = 0\n"
        "10: (95) exit\n"
        "from 5 to 6: R6=scalar(umin=1)\n"
        "6: (79) r7 = *(u64 *)(r10 -8)\n"
        "7: (bf) r2 = r7 ; R2=map_value_or_null(id=1,map=starts,ks=8,vs=16)\n"
        "8: (79) r0 = *(u64 *)(r2 +0)\n"
        "R2 invalid mem access 'map_value_or_null'\n"
        "processed 11 insns\n"
    )
    assert str(verifier.error(a_program(*code), log)) == (
        f"{file}:4:17: the verifier rejected probe: R2 invalid mem access 'map_value_or_null'\n"
        "    other = entry.ts\n"
        "            ^^^^^^^^\n"
        "that is: this may be None here: no check of it holds on this path\n"
        "what helps: check it right before it is used: if not x: return\n"
        "r2 (entry) is a value of the map starts, or None\n"
        f"r2 comes from {file}:2:13: entry = starts[key]\n"
        "    6: (79) r7 = *(u64 *)(r10 -8)\n"
        "    7: (bf) r2 = r7 ; R2=map_value_or_null(id=1,map=starts,ks=8,vs=16)\n"
        "    8: (79) r0 = *(u64 *)(r2 +0)\n"
        "    R2 invalid mem access 'map_value_or_null'\n"
        "    (9 lines omitted; --debug shows the whole log)"
    )
    scalar = log.replace("8: (79) r0 = *(u64 *)(r2 +0)", "8: (79) r0 = *(u64 *)(r6 +0)").replace(
        "R2 invalid mem access 'map_value_or_null'", "R6 invalid mem access 'scalar'"
    )
    assert verifier.error(a_program(*code), scalar).notes[2:] == (
        "r6 (n) is any number",
        f"r6 comes from {file}:1:11: def probe(n: u64, other: u64):",
    )
