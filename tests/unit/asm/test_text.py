from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pybpf.asm import (
    Statement,
    assemble,
    disassemble,
    format_instruction,
    format_statements,
    link,
    ops,
    parse,
)
from pybpf.asm.printer import _Holes
from pybpf.isa import OPS, Instruction, Op, decode, distance, encode, slot_indices
from pybpf.isa.opcodes import LDDW

S16 = st.integers(-(1 << 15), (1 << 15) - 1)
S32 = st.integers(-(1 << 31), (1 << 31) - 1)
U32 = st.integers(0, (1 << 32) - 1)
U64 = st.integers(0, (1 << 64) - 1)
REGISTER = st.integers(0, 11)


@st.composite
def instructions(draw: st.DrawFn) -> Instruction:
    op = draw(st.sampled_from(OPS))
    imm = (U64 if op.high else U32) if op.opcode == LDDW else S32
    fields = [
        draw(free) if fixed is None else fixed
        for fixed, free in zip((op.dst, op.src, op.offset, op.imm), (REGISTER, REGISTER, S16, imm))
    ]
    return Instruction(op.opcode, *fields)


@st.composite
def programs(draw: st.DrawFn) -> list[Instruction]:
    # Any instructions, with the targets of jumps and calls moved to starts of instructions.
    program = draw(st.lists(instructions(), min_size=1, max_size=30))
    starts = slot_indices(program)
    for position, insn in enumerate(program):
        op = _op(insn)
        if op.target:
            far = draw(st.sampled_from(starts)) - starts[position] - 1
            program[position] = insn._replace(**{op.target: far & 0xFFFFFFFF if insn.opcode == LDDW else far})
            assert distance(program[position], op) == far
    return program


def _op(insn: Instruction) -> Op:
    from pybpf.isa import check

    return check(insn)


@settings(max_examples=300, deadline=None)
@given(programs())
def test_reading_what_is_printed_gives_the_same_bytes(program: list[Instruction]) -> None:
    code = encode(program)
    assert decode(code) == program
    assert assemble(disassemble(code)) == code


def _samples(op: Op) -> Iterator[Instruction]:
    # Each row with its operands at both ends of their range.
    for dst, src, offset, imm in ((0, 10, 32767, 0x7FFFFFFF), (11, 1, -32768, -0x80000000), (1, 1, 1, 1)):
        if op.opcode == LDDW:
            imm &= 0xFFFF_FFFF_FFFF_FFFF if op.high else 0xFFFF_FFFF
        values = zip((op.dst, op.src, op.offset, op.imm), (dst, src, offset, imm))
        yield Instruction(op.opcode, *(free if fixed is None else fixed for fixed, free in values))


@pytest.mark.parametrize("op", OPS, ids=[op.name for op in OPS])
def test_each_spelling_of_each_instruction_is_read(op: Op) -> None:
    for insn in _samples(op):
        code = encode([insn])
        (statement,) = parse(format_instruction(insn))
        assert statement.insn == insn
        for text in op.also:
            if text == "call {imm}" and insn.offset:
                continue
            if text.endswith("skb[r{src}]"):
                insn = insn._replace(imm=0)
                code = encode([insn])
            line = f"7: {code.hex(' ')}\t{text.format_map(_Holes(insn, op, None))}"
            (statement,) = parse(line)
            assert statement.insn == insn, line


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        # A move or a 16-byte load: the opcode or the bytes before it tell.
        ("r1 = 0x5", "r1 = 5"),
        ("(b7) r1 = 5", "r1 = 5"),
        ("12: (18) r1 = 0x5", "r1 = 5 ll"),
        ("  3:\t18 01 00 00 05 00 00 00 00 00 00 00 00 00 00 00\tr1 = 0x5 ll", "r1 = 5 ll"),
        ("r1 = 0xffff888100000000 ll", "r1 = 0xffff888100000000 ll"),
        ("r1 = -1 ll", "r1 = 0xffffffffffffffff ll"),
        # The kernel's jump immediates are unsigned, all others signed.
        ("3: (15) if r1 == 0xffffffff goto pc+3", "if r1 == 0xffffffff goto pc+3"),
        ("if r1 == -0x1 goto +0x3 <LBB0_2>", "if r1 == 0xffffffff goto pc+3"),
        ("if r1 s> -1 goto -3", "if r1 s> 0xffffffff goto pc-3"),
        ("w1 = 0xffffffff", "w1 = -1"),
        ("*(u32 *)(r10 - 0x8) = 0xffffffff", "*(u32 *)(r10 -8) = -1"),
        # Spaces do not matter.
        ("r1=*(u64*)(r6+8)", "r1 = *(u64 *)(r6 +8)"),
        ("r1 = *( u64 * )( r6 - 0x8 )", "r1 = *(u64 *)(r6 -8)"),
        ("r1 -=5", "r1 -= 5"),
        # 32-bit loads, stores and atomics: `w` in llvm, `r` in the kernel.
        ("w1 = *(u32 *)(r2 + 0x4)", "r1 = *(u32 *)(r2 +4)"),
        ("*(u8 *)(r2 + 0x4) = w1", "*(u8 *)(r2 +4) = r1"),
        ("lock *(u32 *)(r1 + 0x0) |= w2", "lock *(u32 *)(r1 +0) |= r2"),
        ("w2 = atomic_fetch_add((u32 *)(r1 + 0x0), w2)", "r2 = atomic_fetch_add((u32 *)(r1 +0), r2)"),
        ("r2 = atomic_fetch_add((u64 *)(r1 + 0x0), r2)", "r2 = atomic64_fetch_add((u64 *)(r1 +0), r2)"),
        ("r2 = xchg_64(r1 + 0x0, r2)", "r2 = atomic64_xchg((u64 *)(r1 +0), r2)"),
        ("w2 = xchg32_32(r1 + 0x0, w2)", "r2 = atomic_xchg((u32 *)(r1 +0), r2)"),
        ("w0 = cmpxchg32_32(r1 + 0x0, w0, w2)", "r0 = atomic_cmpxchg((u32 *)(r1 +0), r0, r2)"),
        ("w1 = load_acquire((u8 *)(r2 + 0x0))", "r1 = load_acquire((u8 *)(r2 +0))"),
        ("store_release((u32 *)(r1 + 0x0), w2)", "store_release((u32 *)(r1 +0), r2)"),
        ("r1 = w2", "w1 = w2"),
        ("r0 = *(u16 *)skb[r1]", "r0 = *(u16 *)skb[r1 +0]"),
        ("r0 = *(u8 *)skb[r6 + -5]", "r0 = *(u8 *)skb[r6 -5]"),
        # Calls: helper unless the bytes say otherwise; bpftool shows addresses.
        ("call 0x5", "call bpf_ktime_get_ns#5"),
        ("call bpf_ktime_get_ns", "call bpf_ktime_get_ns#5"),
        ("9: (85) call bpf_ktime_get_ns#204304", "call bpf_ktime_get_ns#5"),
        ("(85) call __htab_map_lookup_elem#-204304", "call unknown#-204304"),
        ("0: 85 10 00 00 05 00 00 00\tcall 0x5", "call pc+5"),
        ("0: 85 20 00 00 05 00 00 00\tcall 0x5", "call kernel-function#5"),
        ("(85) call pc+5#bpf_prog_6deef7357e7b4530_add", "call pc+5"),
        ("(85) call pc-5#0xffffffffa0001234", "call pc-5"),
        ("call kernel-function#77 btf[2]", "call kernel-function#77 btf[2]"),
        # bpftool's maps.
        ("(18) r1 = map[id:5]", "r1 = map[fd:5]"),
        ("(18) r1 = map[id:5][0]+4", "r1 = map[fd:5][0]+4"),
        ("(18) r1 = map[idx:5]+4", "r1 = map[idx:5][0]+4"),
        ("r1 = map[fd]", "r1 = map[fd]"),
        ("(18) r1 = subprog[+5]", "r1 = subprog[pc+5]"),
        ("(bf) r11 = r1", "r11 = r1"),
        ("(c2) nospec", "nospec"),
        ("(e3) probe lock *(u32 *)(r1 +0) += r2", "probe lock *(u32 *)(r1 +0) += r2"),
        # Labels of generated code begin with a number; the arrows of `pybpf disasm` are passed over.
        ("goto 15_join", "goto 15_join"),
        ("   12: │ ┌─ goto +1", "goto pc+1"),
        ("   12: | \\> exit", "exit"),
        # Comments.
        ("r1 = 5 ; exits", "r1 = 5"),
        ("0: (b7) r1 = 5                      ; R1_w=5", "r1 = 5"),
        ("exit // r1 = 5", "exit"),
        ("exit # done", "exit"),
    ],
)
def test_other_spellings(text: str, canonical: str) -> None:
    assert format_statements(parse(text)) == [f"    {canonical}"]
    assert format_statements(parse(canonical)) == [f"    {canonical}"]


def test_functions_labels_and_headings() -> None:
    text = """\
prog.o:\tfile format elf64-bpf

Disassembly of section .text:

0000000000000000 <prog>:
; int prog(void *ctx)
       0:\tr1 = 1
0000000000000010 <LBB0_1>:
again: more: call add
    if r0 < 10 goto again
    exit
int add(int a):
    r0 = r1   // the sum
    exit
"""
    assert format_statements(parse(text)) == [
        "prog:",
        "    r1 = 1",
        "LBB0_1:",
        "again:",
        "more:",
        "    call add",
        "    if r0 < 0xa goto again",
        "    exit",
        "add:",
        "    r0 = r1",
        "    exit",
    ]
    assert disassemble(assemble(text)) == ("r1 = 1\ncall pc+2\nif r0 < 0xa goto pc-2\nexit\nr0 = r1\nexit\n")


def test_names_are_resolved_by_who_assembles() -> None:
    text = "r1 = map[starts]\nr2 = map[.rodata][0]+16\ncall kernel-function[bpf_x]\nexit\n"
    code = assemble(text, {"starts": 3, ".rodata": 4}, {"bpf_x": 77}.__getitem__)
    assert disassemble(code) == "r1 = map[fd:3]\nr2 = map[fd:4][0]+16\ncall kernel-function#77\nexit\n"


def test_statements_are_read_back_with_their_symbols() -> None:
    program: list[Statement] = [
        ops.at("start", ops.load_map(ops.R1, "starts")),
        ops.load_map_value(ops.R2, "prog.rodata", 8),
        ops.jump("jeq", ops.R1, 0, "out", 32),
        ops.load_function(ops.R2, "start"),
        ops.call_subprogram("start"),
        ops.call_kernel_function("bpf_x"),
        ops.at("out", ops.exit_()),
    ]
    again = parse("\n".join(format_statements(program)))
    assert [statement._replace(location=None) for statement in again] == program
    assert again[2].location is not None
    assert str(again[2].location) == "<assembly>:4:5"
    names = {"starts": 3, "prog.rodata": 4, "bpf_x": 5}
    assert link(again, names, names) == link(program, names, names)


def test_lenient_disassembly_goes_on() -> None:
    code = bytes.fromhex("b701000005000000 ff00000000000000 180100000500000007 95")
    assert disassemble(code, lenient=True) == (
        "r1 = 5\n"
        ".byte 0xff, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00 ; unknown opcode 0xff\n"
        ".byte 0x18, 0x01, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00 ; "
        "a 16-byte instruction is cut off after 8 bytes\n"
        ".byte 0x07, 0x95 ; truncated: 2 bytes left, an instruction has 8\n"
    )
