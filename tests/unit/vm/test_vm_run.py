"""The instruction set on the machine: the cases where one may err, by RFC 9669 and the kernel."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybpf.asm import assemble, ops
from pybpf.asm import link as link_statements
from pybpf.asm.ops import R0, R1, R2
from pybpf.errors import EncodingError
from pybpf.vm import run

M32, M64 = (1 << 32) - 1, (1 << 64) - 1
MIN64, MIN32 = 1 << 63, 1 << 31


def binary(name: str, left: int, right: int, width: int = 64) -> int:
    """`left name right`, both in registers."""
    code = [ops.load_imm64(R0, left), ops.load_imm64(R1, right), ops.alu(name, R0, R1, width), ops.exit_()]
    return run(link_statements(code))


ARITHMETIC = [
    ("div", 64, 7, 0, 0),
    ("mod", 64, 7, 0, 7),
    ("sdiv", 64, M64, 0, 0),
    ("smod", 64, M64, 0, M64),
    ("div", 32, M64, 0, 0),
    ("mod", 32, 0xFFFF_FFFF_0000_0007, 0, 7),  # the low half, zero-extended
    ("smod", 32, 0xFFFF_FFFF_8000_0007, 0, 0x8000_0007),
    ("sdiv", 64, MIN64, M64, MIN64),
    ("smod", 64, MIN64, M64, 0),
    ("sdiv", 32, MIN32, M64, MIN32),
    ("smod", 32, MIN32, M32, 0),
    ("sdiv", 64, -13 & M64, 4, -3 & M64),  # truncates
    ("smod", 64, -13 & M64, 4, -1 & M64),  # has the dividend's sign
    ("smod", 64, 13, -4 & M64, 1),
    ("sdiv", 32, -13 & M32, 4, -3 & M32),
    ("smod", 32, -13 & M32, 4, -1 & M32),
    ("lsh", 64, 1, 65, 2),
    ("rsh", 64, 4, 65, 2),
    ("arsh", 64, MIN64, 64 + 63, M64),
    ("lsh", 32, 1, 33, 2),
    ("rsh", 32, MIN32 | 1 << 40, 32 + 31, 1),
    ("arsh", 32, MIN32, 32 + 31, M32),
    ("add", 64, M64, 1, 0),
    ("add", 32, M64, 2, 1),
    ("sub", 64, 0, 1, M64),
    ("sub", 32, 0, 1, M32),
    ("mul", 64, MIN64 | 3, 2, 6),
    ("mul", 32, M64, M64, 1),
    ("xor", 32, M64, 0, M32),
    ("or", 32, 1 << 40, 1, 1),
    ("and", 32, M64, M64, M32),
    ("mov", 32, 0, M64, M32),
]


@pytest.mark.parametrize(("name", "width", "left", "right", "result"), ARITHMETIC)
def test_arithmetic(name: str, width: int, left: int, right: int, result: int) -> None:
    assert binary(name, left, right, width) == result


TEXTS = [
    ("r0 = -1", M64),
    ("w0 = -1", M32),
    ("r0 = -7; r0 /= -1", 0),  # an immediate is sign-extended, and then unsigned
    ("r0 = -1; r0 /= -1", 1),
    ("r0 = -1; w0 /= -1", 1),
    ("r0 = 7; r0 s/= -2", -3 & M64),
    ("r0 = 7; r0 /= 0", 0),
    ("r0 = 0x100000007 ll; w0 s%= 0", 7),
    ("r0 = 1; r0 <<= 65", 2),
    ("r0 = 1; if r0 < -1 goto +1; r0 = 2", 1),  # as are those of unsigned comparisons
    ("r0 = 1; if r0 s< -1 goto +1; r0 = 2", 2),
    ("r0 = -1; if r0 s> 0 goto +1; r0 = 2", 2),
    ("r0 = 0x180000000 ll; if w0 s< 0 goto +1; r0 = 2", 0x1_8000_0000),
    ("r0 = 0x100000005 ll; if w0 == 5 goto +1; r0 = 2", 0x1_0000_0005),
    ("r0 = 0x100000000 ll; if r0 & -1 goto +1; r0 = 2", 0x1_0000_0000),
    ("r0 = 0x100000000 ll; if w0 & -1 goto +1; r0 = 2", 2),
    ("r0 = 0x80; r0 = (s8)r0", 0xFFFF_FFFF_FFFF_FF80),
    ("r0 = 0x80; w0 = (s8)w0", 0xFFFF_FF80),
    ("r0 = 0x8000; r0 = (s16)r0", 0xFFFF_FFFF_FFFF_8000),
    ("r0 = 0x80000000 ll; r0 = (s32)r0", 0xFFFF_FFFF_8000_0000),
    ("r0 = 5; r0 = -r0", -5 & M64),
    ("r0 = 5; w0 = -w0", -5 & M32),
    ("r0 = 0x1122334455667788 ll; r0 = be16 r0", 0x8877),
    ("r0 = 0x1122334455667788 ll; r0 = be32 r0", 0x88776655),
    ("r0 = 0x1122334455667788 ll; r0 = be64 r0", 0x8877665544332211),
    ("r0 = 0x1122334455667788 ll; r0 = le32 r0", 0x55667788),
    ("r0 = 0x1122334455667788 ll; r0 = bswap16 r0", 0x8877),
    ("r0 = 0x1122334455667788 ll; r0 = bswap64 r0", 0x8877665544332211),
    ("*(u64 *)(r10 -8) = -2; r0 = *(u32 *)(r10 -4)", M32),
    ("*(u64 *)(r10 -8) = -2; r0 = *(s32 *)(r10 -4)", M64),
    ("*(u32 *)(r10 -8) = -2; r0 = *(s8 *)(r10 -8)", -2 & M64),
    ("*(u16 *)(r10 -8) = 0x1234; r0 = *(u8 *)(r10 -7)", 0x12),
    ("r0 = 3; goto +1; r0 = 4", 3),
    ("r0 = 3; gotol +1; r0 = 4", 3),
    # atomics, the old value when fetched
    ("*(u64 *)(r10 -8) = 5; r1 = 3; lock *(u64 *)(r10 -8) += r1; r0 = *(u64 *)(r10 -8)", 8),
    ("*(u64 *)(r10 -8) = 5; r0 = 3; r0 = atomic64_fetch_add((u64 *)(r10 -8), r0)", 5),
    ("*(u64 *)(r10 -8) = -1; r0 = -1; r0 = atomic_fetch_xor((u32 *)(r10 -8), r0)", M32),
    ("*(u64 *)(r10 -8) = 5; r0 = 3; r0 = atomic64_xchg((u64 *)(r10 -8), r0)", 5),
    ("*(u64 *)(r10 -8) = 5; r0 = 5; r1 = 9; r0 = atomic64_cmpxchg((u64 *)(r10 -8), r0, r1);"
     "r0 = *(u64 *)(r10 -8)", 9),
    ("*(u64 *)(r10 -8) = 5; r0 = 6; r1 = 9; r0 = atomic64_cmpxchg((u64 *)(r10 -8), r0, r1)", 5),
    # r0 is zero-extended when the comparison holds, too
    ("*(u32 *)(r10 -4) = 5; r0 = 0x100000005 ll; r1 = 9; r0 = atomic_cmpxchg((u32 *)(r10 -4), r0, r1)", 5),
    ("*(u64 *)(r10 -8) = -1; r0 = load_acquire((u16 *)(r10 -8))", 0xFFFF),
    ("*(u64 *)(r10 -8) = 0; r1 = -1; store_release((u8 *)(r10 -8), r1); r0 = *(u64 *)(r10 -8)", 0xFF),
    ("r0 = 0; r0 = addr_space_cast(r10, 0, 1); r0 -= r10", 0),
]  # fmt: skip


@pytest.mark.parametrize(("text", "result"), TEXTS)
def test_instructions(text: str, result: int) -> None:
    assert run(assemble("\n".join([*text.split(";"), "exit"]))) == result


PACKETS = [
    ("r0 = *(u16 *)skb[12]", 0x0C0D),  # big endian
    ("r0 = *(u8 *)skb[15]", 15),
    ("r0 = *(u8 *)skb[16]; r0 = 7", 0),  # out of bounds: the program ends with 0
    ("r0 = *(u32 *)skb[13]; r0 = 7", 0),
    ("r2 = 2; r0 = *(u16 *)skb[r2 + 1]", 0x0304),
    ("r2 = -1; r0 = *(u8 *)skb[r2 + 3]", 2),
    ("r2 = -1; r0 = *(u8 *)skb[r2 + 0]; r0 = 7", 0),
    ("r0 = *(u8 *)skb[-0x200000]", 0),  # from the link header
    ("r0 = *(u8 *)skb[-0x100000]", 14),  # from the network header
]


@pytest.mark.parametrize(("text", "result"), PACKETS)
def test_packet_access(text: str, result: int) -> None:
    assert run(assemble("\n".join(["r6 = r1", *text.split(";"), "exit"])), bytes(range(16))) == result


def test_memory_is_given_in_r1_with_its_length_in_r2_and_is_a_copy() -> None:
    memory = b"\x01\x02\x03\x04"
    code = assemble("*(u8 *)(r1 +0) = 9\nr0 = *(u32 *)(r1 +0)\nr0 <<= 8\nr0 += r2\nexit")
    assert run(code, memory) == 0x0403020904
    assert memory == b"\x01\x02\x03\x04"


def test_loops_and_functions() -> None:
    code = assemble("""
        r6 = 0
        r7 = 10
    loop:
        r1 = r7
        call square
        r6 += r0
        r7 += -1
        if r7 != 0 goto loop
        r0 = r6
        exit
    square:
        r6 = r1
        *(u64 *)(r10 -8) = r1
        r1 *= r6
        r0 = r1
        exit
    """)
    assert run(code) == sum(number * number for number in range(11))


def test_may_goto_leaves_after_its_budget() -> None:
    code = assemble("r0 = 0\nloop:\nmay_goto out\nr0 += 1\nif r0 < 1000 goto loop\nr0 = 5\nout:\nexit")
    assert run(code) == 5


INVALID = [
    (assemble("r0 = 0\nr10 = r0\nexit"), "instruction 1: r10, the top of the stack frame, can't be written"),
    (b"\x95", "instruction 0: truncated: 1 byte left, an instruction has 8"),
    (assemble("r0 = 0"), "instruction 0: a function ends here without exit"),
    (assemble("r1 = map[fd:3]\nexit"),
     "instruction 0: lddw_map_fd refers to what is not here; a MapRef would be"),
    (assemble("r0 = 0\ncall f\nexit\nf:\nif r1 == 0 goto -3\nexit"),
     "instruction 3: jeq64_imm jumps into another function (instruction 1)"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "message"), INVALID)
def test_what_is_no_program(code: bytes, message: str) -> None:
    with pytest.raises(EncodingError) as caught:
        run(code)
    assert str(caught.value) == message


NUMBERS = st.one_of(
    st.sampled_from([0, 1, 2, 63, 64, M32, MIN32, MIN32 - 1, MIN64, MIN64 - 1, M64]), st.integers(0, M64)
)


@given(st.sampled_from([32, 64]), NUMBERS, NUMBERS)
def test_division_of_signed_numbers(width: int, left: int, right: int) -> None:
    def signed(number: int) -> int:
        number &= (1 << width) - 1
        return number - (number >> width - 1 << width)

    quotient = signed(binary("sdiv", left, right, width))
    remainder = signed(binary("smod", left, right, width))
    if signed(right):
        assert signed(quotient * signed(right) + remainder) == signed(left)
        assert abs(remainder) < abs(signed(right))
        assert remainder == 0 or (remainder < 0) == (signed(left) < 0)
    else:
        assert (quotient, remainder) == (0, signed(left))


@given(st.sampled_from(tuple(ops.JUMPS)), st.sampled_from([32, 64]), NUMBERS, NUMBERS)
def test_conditions(name: str, width: int, left: int, right: int) -> None:
    mask = (1 << width) - 1
    one, other = left & mask, right & mask
    if name.startswith("js") and name != "jset":
        one, other = (number - (number >> width - 1 << width) for number in (one, other))
    expected = {
        "jeq": one == other,
        "jne": one != other,
        "jgt": one > other,
        "jge": one >= other,
        "jlt": one < other,
        "jle": one <= other,
        "jsgt": one > other,
        "jsge": one >= other,
        "jslt": one < other,
        "jsle": one <= other,
        "jset": bool(one & other),
    }[name]
    code = [ops.load_imm64(R1, left), ops.load_imm64(R2, right), ops.mov64(R0, 1)]
    code += [ops.jump(name, R1, R2, 1, width), ops.mov64(R0, 0), ops.exit_()]
    assert run(link_statements(code)) == expected
