from __future__ import annotations

import pytest

from pybpf.asm import assemble, parse
from pybpf.errors import AsmError

ERRORS = [
    (
        "r1 + 5",
        4,
        "found '+ 5', expected '=', '+=', '-=', '*=', '/=', '|=', '&=', '<<=', '>>=', '%=', '^=', 's>>=',"
        " 's/=' or 's%='",
    ),
    (
        "r1 =",
        5,
        "the line ends here, expected a register (w0 to w10), a number, a register (r0 to r10), '-', '(',",
    ),
    (
        "r1 = be17 r1",
        6,
        "found 'be17', expected a register (w0 to w10), a number, a register (r0 to r10), '-', '(',",
    ),
    ("r1 = r12", 6, "there is no register r12: a program has r0 to r10"),
    ("r1 = -r2", 7, "found 'r2', expected 'r1' as before"),
    ("r1 = r2 r3", 9, "found 'r3', expected the end of the line"),
    ("w1 = r2", 6, "found 'r2', expected a number, a register (w0 to w10), '-', '(', '*', 'load_acquire',"),
    ("r1 ! 5", 4, "unexpected '!'"),
    ("\tr1 = 5 @", 9, "unexpected '@'"),
    ("r1 = 0x" + "f" * 17, 6, "295147905179352825855 is out of range (-2147483648 to 2147483647): write"),
    ("r1 = 0x" + "f" * 5000, 6, "a number of more than 64 bits"),
    ("r1 = 0x1ffffffffffffffff ll", 6, "36893488147419103231 is out of range (-9223372036854775808 to"),
    (
        "r1 = 4294967295",
        6,
        "4294967295 is out of range (-2147483648 to 2147483647): write 'r1 = 4294967295 ll'",
    ),
    ("r1 += 4294967295", 7, "4294967295 is out of range (-2147483648 to 2147483647)"),
    ("if r1 > 4294967295 goto +1", 9, "4294967295 is out of range (-2147483648 to 2147483647)"),
    ("goto +32768", 6, "32768 is out of range (-32768 to 32767)"),
    ("r1 = *(u64 *)(r2 +40000)", 18, "40000 is out of range (-32768 to 32767)"),
    ("*(u64 *)(r1 8) = 1", 13, "found '8', expected its sign, such as '+8'"),
    ("lock *(u16 *)(r1 +0) += r2", 8, "found 'u16', expected 'u32' or 'u64'"),
    ("r1 = cmpxchg_64(r1 +0, r0, r2)", 1, "found 'r1', expected 'r0'"),
    ("if r1 == 5 gotu x", 12, "found 'gotu', expected 'goto'"),
    ("goto nowhere", 6, "instruction 0: no label 'nowhere'"),
    ("goto pc+5", 1, "instruction 0: goto jumps to a place out of the program (instruction 6)"),
    (
        "r1 = 5 ll\ngoto pc-2",
        1,
        "instruction 2: goto jumps to the middle of a 16-byte instruction (instruction 1)",
    ),
    (
        "call pc-2",
        1,
        "instruction 0: call_local refers to a function at a place out of the program (instruction -1)",
    ),
    ("x:\nx: exit", 1, "label 'x' stands at line 1 already"),
    ("exit\nx:", 1, "no instruction follows label 'x'"),
    ("r1: exit", 1, "a label can't have the name of a register: 'r1'"),
    ("call bpf_ktime_get_n", 6, "no helper and no label 'bpf_ktime_get_n' (did you mean 'bpf_ktime_get_ns'"),
    ("call bpf_ktime_get_ns#6", 6, "'bpf_ktime_get_ns' is helper 5, not 6"),
    ("call bpf_ktime_get_n#5", 6, "helper 5 is 'bpf_ktime_get_ns', not 'bpf_ktime_get_n'"),
    ("r1 = map[starts]\nexit", 10, "map 'starts' is not known here"),
    ("call kernel-function[bpf_x]\nexit", 22, "kernel function 'bpf_x' is not known here"),
    ("r0 = 0; exit", 7, "';' begins a comment: write one instruction a line"),
    ("(18) r1 = r2", 6, "this is no instruction of opcode (18)"),
    ("(b7)", 5, "the line ends here, expected an instruction"),
    ("0: b7 01 00 00 05 00 00 00 r1 = 6", 28, "the bytes before this say 'r1 = 5'"),
    (
        "0: ff 01 00 00 05 00 00 00 r1 = 6",
        28,
        "the bytes before this are no instruction: unknown opcode 0xff",
    ),
    ("from 3 to 7: R0=1", 1, "found 'from', expected"),
]


@pytest.mark.parametrize(("text", "column", "message"), ERRORS, ids=[text[:40] for text, _, _ in ERRORS])
def test_error(text: str, column: int, message: str) -> None:
    with pytest.raises(AsmError) as caught:
        assemble(text)
    error = caught.value
    assert error.message.startswith(message)
    assert error.column == column
    line = text.split("\n")[error.line - 1]
    assert error.text == line.replace("\t", " ")
    assert str(error).endswith(f"\n    {error.text}\n    {' ' * (column - 1)}^")


def test_whole_message() -> None:
    with pytest.raises(AsmError) as caught:
        parse("r1 = 5\n    if r1 == 5 gotu out\n")
    assert str(caught.value) == (
        "line 2, column 16: found 'gotu', expected 'goto'\n        if r1 == 5 gotu out\n                   ^"
    )
