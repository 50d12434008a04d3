from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pybpf.errors import EncodingError
from pybpf.isa import Instruction, Undecoded, decode, decode_lenient, encode, find, slot_indices

BAD_CODE = [
    ("b70100000500", "instruction 0: truncated: 6 bytes left, an instruction has 8"),
    ("9500000000000000 95", "instruction 1: truncated: 1 byte left, an instruction has 8"),
    ("1801000005000000", "instruction 0: a 16-byte instruction is cut off after 8 bytes"),
    (
        "1801000005000000 0100000000000000",
        "instruction 0: a 16-byte instruction with reserved fields set in its second half",
    ),
    ("1807000005000000 0000000000000000 ff00000000000000", "instruction 2: unknown opcode 0xff"),
    ("0600000000000000", "instruction 0: gotol jumps to a place out of the program (instruction 1)"),
    ("0500feff00000000", "instruction 0: goto jumps to a place out of the program (instruction -1)"),
    (
        "0500010000000000 1801000005000000 0000000000000000",
        "instruction 0: goto jumps to the middle of a 16-byte instruction (instruction 2)",
    ),
    (
        "8510000001000000 9500000000000000",
        "instruction 0: call_local refers to a function at a place out of the program (instruction 2)",
    ),
    (
        "18410000ffffffff 0000000000000000 18410000ffffffff 0000000000000000",
        None,
    ),
    (
        "18410000feffffff 0000000000000000",
        "instruction 0: lddw_func refers to a function at a place out of the program (instruction -1)",
    ),
    ("b711000005000000", "instruction 0: opcode 0xb7 (mov64_imm): src is 0x1, but must be 0x0"),
    ("b70c000005000000", "instruction 0: opcode 0xb7 (mov64_imm): there is no register r12 in dst"),
    ("0f11020000000000", "instruction 0: opcode 0x0f (add64): offset is 0x2, but must be 0x0"),
    ("3f11020000000000", "instruction 0: opcode 0x3f (div64, sdiv64): offset is 0x2, but must be 0x0 or 0x1"),
    ("9500000001000000", "instruction 0: opcode 0x95 (exit): imm is 0x1, but must be 0x0"),
    (
        "dc01000008000000",
        "instruction 0: opcode 0xdc (be16, be32, be64): imm is 0x8, but must be 0x10 or 0x20 or",
    ),
    (
        "cb21000000000000",
        "instruction 0: opcode 0xcb (load_acquire16, store_release16): imm is 0x0, but must be",
    ),
    (
        "8530000001000000",
        "instruction 0: opcode 0x85 (call, call_local, call_kernel): src is 0x3, but must be",
    ),
    (
        "1811000005000000 0000000001000000",
        "instruction 0: opcode 0x18 (lddw and so on): no such combination of src 0x1, offset 0x0 and imm"
        " 0x100000005",
    ),
]


@pytest.mark.parametrize(("code", "message"), BAD_CODE)
def test_decode_errors(code: str, message: str | None) -> None:
    raw = bytes.fromhex(code)
    if message is None:
        assert encode(decode(raw)) == raw
        return
    with pytest.raises(EncodingError) as error:
        decode(raw)
    assert str(error.value).startswith(message)
    assert error.value.index == int(message.split()[1].rstrip(":"))


@pytest.mark.parametrize(
    ("insn", "message"),
    [
        (Instruction(0xB7, imm=1 << 31), "imm 2147483648 is out of range (-2147483648 to 2147483647)"),
        (Instruction(0x79, offset=-32769), "offset -32769 is out of range (-32768 to 32767)"),
        (Instruction(0x79, dst=12), "there is no register r12 in dst"),
        (Instruction(0x79, src=-1), "there is no register r-1 in src"),
        (Instruction(0x18, imm=-1), "imm -1 is out of range (0 to 18446744073709551615)"),
        (
            Instruction(0x18, imm=1 << 64),
            "imm 18446744073709551616 is out of range (0 to 18446744073709551615)",
        ),
        (Instruction(256), "unknown opcode 0x100"),
        (Instruction(0xB7, src=1), "src is 0x1, but must be 0x0"),
    ],
)
def test_encode_errors(insn: Instruction, message: str) -> None:
    with pytest.raises(EncodingError) as error:
        encode([Instruction(0x18), insn])
    assert str(error.value).startswith("instruction 2: ")
    assert str(error.value).endswith(message)


def test_slots_are_little_endian() -> None:
    insn = Instruction(0x18, 1, 2, 0, 0x0000_0010_FFFF_FFFF)
    assert encode([insn]).hex() == "18210000ffffffff0000000010000000"
    assert decode(encode([insn, Instruction(0x95)])) == [insn, Instruction(0x95)]
    assert slot_indices([insn, insn, Instruction(0x95)]) == [0, 2, 4]


@given(st.binary(max_size=64))
@example(b"\x18" * 8)
@example(b"\x85\x10" + b"\xff" * 6)
def test_any_bytes_decode_or_are_refused(code: bytes) -> None:
    items = decode_lenient(code)
    assert b"".join(item.raw if isinstance(item, Undecoded) else encode([item]) for item in items) == code
    try:
        instructions = decode(code)
    except EncodingError:
        return
    assert instructions == items
    assert all(find(insn) for insn in instructions)
