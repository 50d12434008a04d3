"""What the machine says of a program that does what it must not."""

from __future__ import annotations

import re

import pytest

from pybpf.asm import assemble, ops, parse
from pybpf.asm.ops import R0, R1
from pybpf.source import Location
from pybpf.spec import Attach, ObjectSpec, ProgramSpec
from pybpf.vm import Machine, VmError, run

FAULTS = [
    ("r0 += 1", 0, "r0 is not initialised"),
    ("r3 = r7", 0, "r7 is not initialised"),
    ("if r5 == 0 goto +0", 0, "r5 is not initialised"),
    ("exit", 0, "r0 is not initialised"),
    ("r1 = 1\ncall 5\nr0 = r1", 2, "r1 is not initialised"),
    ("call 2", 0, "r3 is not initialised"),
    ("if r2 == 4 goto +1\nr6 = 1\nr0 = r6", 2, "r6 is not initialised"),
    ("r1 = 0\nr0 = *(u32 *)(r1 +8)", 1, "4 bytes at 0x8: null pointer"),
    ("r1 = 0\nr0 = *(u32 *)(r1 -8)", 1, "4 bytes at 0xfffffffffffffff8: nothing is there"),
    ("r0 = *(u64 *)(r1 -1)", 0, "8 bytes at 0xfeffffffffffffff: nothing is there"),
    ("r0 = *(u64 *)(r1 +0)", 0, "8 bytes at 0xff00000000000000: outside the memory, offset 0 of 4 bytes"),
    ("*(u8 *)(r1 +4) = 1", 0, "1 byte at 0xff00000000000004: outside the memory, offset 4 of 4 bytes"),
    ("r0 = *(u64 *)(r10 -8)", 0, "8 bytes at r10-8 are not all initialised"),
    ("*(u32 *)(r10 -8) = 0\nr0 = *(u64 *)(r10 -8)", 1, "8 bytes at r10-8 are not all initialised"),
    ("r1 = r10\nr1 += r2\nr0 = *(u8 *)(r1 -5)", 2,
     "1 byte at 0xff000001000001ff: byte 511 of stack frame 0 was never written"),
    ("r0 = *(u32 *)(r10 -516)", 0, "4 bytes at r10-516: outside the stack frame of 512 bytes"),
    ("*(u32 *)(r10 -2) = 0", 0, "4 bytes at r10-2: outside the stack frame of 512 bytes"),
    ("call 0x7fff", 0, "the machine has no helper unknown#32767"),
    (
        "call 184",
        0,
        "the machine has no helper bpf_get_func_ret#184: a test can give it one,"
        ' machine.helpers["bpf_get_func_ret"] = function',
    ),
    ("call f\nexit\nf:\ncall f\nexit", 2, "more than 8 calls deep"),
    ("r0 = *(u8 *)skb[0]", 0, "r6 is not initialised"),
    ("r1 = r10\nr2 = r10\nr3 = r10\nr4 = 0\ncall 2", 4, "0xff00000100000200 is the address of no Map"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "index", "reason"), FAULTS)
def test_faults(text: str, index: int, reason: str) -> None:
    code = assemble(f"{text}\nr0 = 0\nexit")
    with pytest.raises(VmError) as caught:
        run(code, b"1234")
    assert (caught.value.index, caught.value.reason) == (index, reason)


def test_an_error_has_the_instruction_the_python_line_and_the_registers(tmp_path) -> None:
    source = tmp_path / "probe.py"
    source.write_text("def probe(a):\n    return a.b\n")
    place = Location(str(source), 2, 12, 15)
    code = (ops.mov64(R1, 0), ops.load(8, R0, R1, 8)._replace(location=place), ops.exit_())
    spec = ObjectSpec("test", (ProgramSpec("probe", 0, code, Attach("kprobe", ())),), ())
    with pytest.raises(VmError) as caught:
        Machine(spec).run("probe", 7)
    error = caught.value
    assert str(error) == (
        f"{source}:2:12: probe: instruction 1: r0 = *(u64 *)(r1 +8): 8 bytes at 0x8: null pointer\n"
        "    return a.b\n"
        "           ^^^\n"
        "    r1=0x0 r10=0xff00000000000200"
    )
    assert (error.program, error.index, error.location) == ("probe", 1, place)
    assert error.instruction == "r0 = *(u64 *)(r1 +8)"
    assert error.registers == {"r1": 0, "r10": 0xFF00_0000_0000_0200}


def test_the_error_in_a_called_function_is_its_own_instruction() -> None:
    with pytest.raises(VmError, match=re.escape("instruction 4: r0 = *(u8 *)(r1 +0)")):
        run(assemble("r1 = 0\nr0 = 1\ncall f\nexit\nf:\nr0 = *(u8 *)(r1 +0)\nexit"))


ODDITIES = [
    ("r0 = 7\nr0 /= 0", "division by the constant 0: the verifier refuses it"),
    ("r0 = 7\nw0 s%= 0", "division by the constant 0: the verifier refuses it"),
    ("r0 = 7\nr0 <<= 64", "shift of 64 bits by the constant 64: the verifier refuses it"),
    ("r0 = 7\nw0 s>>= 32", "shift of 32 bits by the constant 32: the verifier refuses it"),
]


@pytest.mark.parametrize(("text", "reason"), ODDITIES)
def test_what_the_verifier_refuses(text: str, reason: str) -> None:
    code = tuple(parse(f"{text}\nexit"))
    spec = ObjectSpec("test", (ProgramSpec("probe", 0, code, Attach("kprobe", ())),), ())
    with pytest.raises(VmError) as caught:
        Machine(spec).run("probe")
    assert (caught.value.index, caught.value.reason) == (1, reason)


def test_steps_are_counted() -> None:
    code = ops.mov64(R0, 0), ops.alu("add", R0, 1), ops.jump("jlt", R0, 10, -2), ops.exit_()
    spec = ObjectSpec("test", (ProgramSpec("count", 0, code, Attach("kprobe", ())),), ())
    machine = Machine(spec)
    assert machine.run("count", 0) == 10
    assert machine.executed == 1 + 2 * 10 + 1
    with pytest.raises(VmError) as caught:
        Machine(spec, steps=10).run("count", 0)
    assert (caught.value.index, caught.value.reason) == (2, "more than 10 instructions: does the loop end?")
