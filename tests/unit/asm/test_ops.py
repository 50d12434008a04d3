from __future__ import annotations

import pytest

from pybpf.asm import KernelSymbol, Statement, format_statement, format_statements, link, ops, resolve_labels
from pybpf.asm.ops import R0, R1, R2, R6, R10
from pybpf.errors import AsmError, EncodingError

BUILT = [
    (ops.alu("add", R1, R2), "r1 += r2", "0f21000000000000"),
    (ops.alu("add", R1, -5), "r1 += -5", "07010000fbffffff"),
    (ops.alu("sdiv", R1, 3, width=32), "w1 s/= 3", "3401010003000000"),
    (ops.alu("smod", R1, R2), "r1 s%= r2", "9f21010000000000"),
    (ops.alu("arsh", R1, R2, 32), "w1 s>>= w2", "cc21000000000000"),
    (ops.mov64(R1, 5), "r1 = 5", "b701000005000000"),
    (ops.mov32(R1, 0xFFFFFFFF), "w1 = -1", "b4010000ffffffff"),
    (ops.movsx(R1, R2, 16), "r1 = (s16)r2", "bf21100000000000"),
    (ops.neg(R1, 32), "w1 = -w1", "8401000000000000"),
    (ops.to_be(R1, 16), "r1 = be16 r1", "dc01000010000000"),
    (ops.to_le(R1, 64), "r1 = le64 r1", "d401000040000000"),
    (ops.bswap(R1, 32), "r1 = bswap32 r1", "d701000020000000"),
    (ops.addr_space_cast(R1, R2, 1, 0), "r1 = addr_space_cast(r2, 1, 0)", "bf21010000000100"),
    (ops.load(8, R1, R6, 8), "r1 = *(u64 *)(r6 +8)", "7961080000000000"),
    (ops.load(1, R1, R6, -8, signed=True), "r1 = *(s8 *)(r6 -8)", "9161f8ff00000000"),
    (ops.store(2, R10, -8, R1), "*(u16 *)(r10 -8) = r1", "6b1af8ff00000000"),
    (ops.store(4, R10, -8, 7), "*(u32 *)(r10 -8) = 7", "620af8ff07000000"),
    (ops.load_packet(2, 12), "r0 = *(u16 *)skb[12]", "280000000c000000"),
    (ops.load_packet(1, -5, R6), "r0 = *(u8 *)skb[r6 -5]", "50600000fbffffff"),
    (ops.atomic("add", 8, R1, 0, R2), "lock *(u64 *)(r1 +0) += r2", "db21000000000000"),
    (
        ops.atomic("and", 4, R1, 8, R2, fetch=True),
        "r2 = atomic_fetch_and((u32 *)(r1 +8), r2)",
        "c321080051000000",
    ),
    (ops.atomic("xchg", 8, R1, 0, R2), "r2 = atomic64_xchg((u64 *)(r1 +0), r2)", "db210000e1000000"),
    (
        ops.atomic("cmpxchg", 4, R1, 0, R2),
        "r0 = atomic_cmpxchg((u32 *)(r1 +0), r0, r2)",
        "c3210000f1000000",
    ),
    (ops.load_acquire(2, R1, R2), "r1 = load_acquire((u16 *)(r2 +0))", "cb21000000010000"),
    (ops.store_release(8, R1, 0, R2), "store_release((u64 *)(r1 +0), r2)", "db21000010010000"),
    (ops.jump("jsgt", R1, R2, 3), "if r1 s> r2 goto pc+3", "6d21030000000000"),
    (ops.jump("jne", R1, -1, -2, 32), "if w1 != 0xffffffff goto pc-2", "5601feffffffffff"),
    (ops.ja(-1), "goto pc-1", "0500ffff00000000"),
    (ops.ja(40000), "gotol pc+40000", "06000000409c0000"),
    (ops.may_goto(2), "may_goto pc+2", "e500020000000000"),
    (ops.goto_register(R1), "gotox r1", "0d01000000000000"),
    (ops.call(1), "call bpf_map_lookup_elem#1", "8500000001000000"),
    (ops.call("bpf_ktime_get_ns"), "call bpf_ktime_get_ns#5", "8500000005000000"),
    (ops.call(9999), "call unknown#9999", "850000000f270000"),
    (ops.exit_(), "exit", "9500000000000000"),
    (ops.load_imm64(R1, 5), "r1 = 5 ll", "18010000050000000000000000000000"),
    (ops.load_imm64(R1, -1), "r1 = 0xffffffffffffffff ll", "18010000ffffffff00000000ffffffff"),
]


@pytest.mark.parametrize(("statement", "text", "code"), BUILT, ids=[text for _, text, _ in BUILT])
def test_instruction(statement: Statement, text: str, code: str) -> None:
    assert format_statement(statement) == text
    assert link([statement]).hex() == code


def test_symbols() -> None:
    program = [
        ops.load_map(R1, "starts"),
        ops.at("again", ops.load_map_value(R2, ".rodata", 16)),
        ops.jump("jeq", R0, 0, "out"),
        ops.call_subprogram("other"),
        ops.load_function(R2, "other"),
        ops.call_kernel_function("bpf_task_acquire"),
        ops.ja("again"),
        ops.at("out", ops.exit_()),
        ops.at("other", ops.exit_()),
    ]
    assert format_statements(program) == [
        "    r1 = map[starts]",
        "again:",
        "    r2 = map[.rodata][0]+16",
        "    if r0 == 0x0 goto out",
        "    call other",
        "    r2 = subprog[other]",
        "    call kernel-function[bpf_task_acquire]",
        "    goto again",
        "out:",
        "    exit",
        "other:",
        "    exit",
    ]
    assert link(program, {"starts": 3, ".rodata": 4}.get, {"bpf_task_acquire": 77}).hex() == (
        "18110000030000000000000000000000"
        "18220000040000000000000010000000"
        "1500050000000000"
        "8510000005000000"
        "18420000040000000000000000000000"
        "852000004d000000"
        "0500f8ff00000000"
        "9500000000000000"
        "9500000000000000"
    )


def test_far_goto_becomes_gotol() -> None:
    nops = [ops.mov64(R0, 0)] * 40000
    program = [ops.ja("far"), *nops, ops.at("far", ops.exit_())]
    assert format_statement(resolve_labels(program)[0]) == "gotol pc+40000"
    program[0] = ops.jump("jeq", R0, 0, "far")
    with pytest.raises(AsmError) as error:
        resolve_labels(program)
    assert str(error.value) == (
        "instruction 0: label 'far' is 40000 instructions away, a conditional jump reaches"
        " -32768 to 32767: jump on the opposite condition over a 'gotol'"
    )


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ([ops.ja("uot"), ops.at("out", ops.exit_())], "instruction 0: no label 'uot' (did you mean 'out'?)"),
        (
            [ops.at("a", ops.load_imm64(R0, 1)), ops.at("a", ops.exit_())],
            "label 'a' stands at instructions 0 and 2",
        ),
        ([ops.load_map(R1, "start")], "map 'start' is not known here (did you mean 'starts'?)"),
        ([ops.call_kernel_function("bpf_x")], "kernel function 'bpf_x' is not known here"),
    ],
)
def test_link_errors(program: list[Statement], message: str) -> None:
    with pytest.raises(AsmError) as error:
        link(program, {"starts": 3})
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: ops.alu("plus", R1, 1),
            "no arithmetic operation 'plus': it is one of add, sub, mul, div, or,",
        ),
        (lambda: ops.load(3, R1, R2), "size 3 is not 1, 2, 4 or 8 bytes"),
        (
            lambda: ops.mov64(R1, 1 << 31),
            "opcode 0xb7 (mov64_imm): imm 2147483648 is out of range (-2147483648",
        ),
        (lambda: ops.mov64(11, 1), "there is no register r11: a program has r0 to r10"),
        (
            lambda: ops.load(8, R1, R2, 40000),
            "opcode 0x79 (ldxdw): offset 40000 is out of range (-32768 to 32767)",
        ),
        (
            lambda: ops.atomic("add", 2, R1, 0, R2),
            "opcode 0xcb (load_acquire16, store_release16): imm is 0x0, but",
        ),
        (
            lambda: ops.bswap(R1, 8),
            "opcode 0xd7 (bswap16, bswap32, bswap64): imm is 0x8, but must be 0x10 or 0x20",
        ),
        (lambda: ops.call("map_lookup"), "no helper function 'map_lookup' (did you mean"),
        (lambda: ops.load_imm64(R1, 1 << 64), "0x10000000000000000 has more than 64 bits"),
        (lambda: ops.jump("jeq", R1, 0, 0, 16), "width 16 is not 32 or 64 bits"),
    ],
)
def test_argument_errors(build, message: str) -> None:
    with pytest.raises(EncodingError) as error:
        build()
    assert str(error.value).startswith(message)


def test_a_call_by_address_keeps_its_name() -> None:
    statement = ops.call(22592)._replace(ref=KernelSymbol("bpf_user_rnd_u32"))
    assert format_statement(statement) == "call bpf_user_rnd_u32#22592"
    with pytest.raises(EncodingError) as error:
        format_statement(ops.exit_()._replace(ref=KernelSymbol("bpf_user_rnd_u32")))
    assert str(error.value) == "exit can't refer to KernelSymbol(name='bpf_user_rnd_u32')"
