"""What programs start with, by the way they are attached; packets; computed jumps."""

from __future__ import annotations

from typing import Any

import pytest

from pybpf import btf
from pybpf.asm import MapValueRef, Statement, ops, parse
from pybpf.asm.ops import R0, R1, R2
from pybpf.errors import UsageError
from pybpf.spec import Attach, MapSpec, ObjectSpec, ProgramSpec
from pybpf.uapi import bpf
from pybpf.vm import Machine, VmError

MASK = (1 << 64) - 1


def machine_of(kind: str, code: str | list[Statement], *maps: MapSpec) -> Machine:
    statements = parse(code + "\nexit") if isinstance(code, str) else code
    programs = (ProgramSpec("p", 0, tuple(statements), Attach(kind, ())),)
    return Machine(ObjectSpec("test", programs, maps), btf=btf.reference())


REGISTERS = ("di", "si", "dx", "cx", "r8", "r9", "ax")


@pytest.mark.parametrize(("number", "register"), list(enumerate(REGISTERS)))
def test_a_kprobe_has_its_arguments_in_registers(number: int, register: str) -> None:
    offset = btf.reference()["struct pt_regs"].offset_of(register)
    machine = machine_of("kprobe", f"r0 = *(u64 *)(r1 +{offset})")
    assert machine.call("p", 1, 2, 3, 4, 5, 6, returns=7) == number + 1
    assert machine.call("p", -1, -1, -1, -1, -1, -1, returns=-1) == MASK


def test_a_probe_may_not_write_its_registers_nor_take_more_than_six() -> None:
    machine = machine_of("kprobe", "*(u64 *)(r1 +0) = 0\nr0 = 0")
    with pytest.raises(VmError, match=r"a struct pt_regs is read-only"):
        machine.call("p")
    with pytest.raises(UsageError, match="7 arguments: only 6 are in registers"):
        machine.call("p", *range(7))


@pytest.mark.parametrize(("kind", "result"), [("fentry", 0), ("tp_btf", 0), ("fexit", 9)])
def test_others_have_an_array_of_arguments(kind: str, result: int) -> None:
    code = "r0 = *(u64 *)(r1 +8)" + ("\nr0 = *(u64 *)(r1 +16)" if result else "")
    assert machine_of(kind, code).call("p", 1, 2, returns=9) == (result or 2)


def test_kernel_memory_is_read_directly_too() -> None:
    types = btf.reference()
    file, position = types["struct kiocb"].offset_of("ki_filp"), types["struct file"].offset_of("f_pos")
    text = f"r1 = *(u64 *)(r1 +0)\nr1 = *(u64 *)(r1 +{file})\nr0 = *(u64 *)(r1 +{position})"
    machine = machine_of("fentry", text)
    new = machine.kernel.new
    assert machine.call("p", new("struct kiocb", ki_filp=new("struct file", f_pos=42))) == 42
    # A pointer that leads nowhere: the kernel's exception table makes it 0.
    assert machine.memory.faults == 0
    assert machine.call("p", new("struct kiocb")) == 0
    assert machine.memory.faults == 1
    machine = machine_of("kprobe", "r1 = 0\nr0 = *(u64 *)(r1 +0)")
    with pytest.raises(VmError, match="null pointer"):
        machine.call("p")


def test_a_context_of_bytes() -> None:
    machine = machine_of("tracepoint", "r0 = *(u32 *)(r1 +4)")
    assert machine.run("p", bytes(range(8))) == 0x07060504


PACKET = bytes(range(12)) + b"\x08\x00" + bytes(range(20))

CLASSIFIERS = [
    ("tc", "r0 = *(u32 *)(r1 +0)", len(PACKET)),
    ("tc", "r0 = *(u32 *)(r1 +16)", 0x0008),  # the protocol, in network order
    ("tc", "r2 = *(u32 *)(r1 +76)\nr3 = *(u32 *)(r1 +80)\nr0 = r3\nr0 -= r2", len(PACKET)),
    ("tc", "r2 = *(u32 *)(r1 +76)\nr0 = *(u8 *)(r2 +13)", 0),
    ("xdp", "r2 = *(u32 *)(r1 +0)\nr3 = *(u32 *)(r1 +4)\nr0 = r3\nr0 -= r2", len(PACKET)),
    ("xdp", "r2 = *(u32 *)(r1 +0)\nr0 = *(u8 *)(r2 +11)", 11),
    ("tc", "*(u32 *)(r1 +8) = 7\nr0 = *(u32 *)(r1 +8)", 7),  # the mark
    ("tc", "r6 = r1\nr0 = *(u16 *)skb[12]", 0x0800),
    ("tc", "r2 = 30\nr3 = r10\nr3 += -8\nr4 = 8\ncall bpf_skb_load_bytes\nr0 = *(u64 *)(r10 -8)", 0),
    ("tc", "*(u8 *)(r10 -8) = 9\nr6 = r1\nr2 = 0\nr3 = r10\nr3 += -8\nr4 = 1\nr5 = 0\n"
     "call bpf_skb_store_bytes\nr0 = *(u8 *)skb[0]", 9),
    ("tc", "r2 = 100\ncall bpf_skb_pull_data", -12 & MASK),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "result"), CLASSIFIERS)
def test_packets(kind: str, text: str, result: int) -> None:
    machine = machine_of(kind, text)
    found, _ = machine.receive("p", PACKET)
    assert found == result


def test_a_packet_is_written_in_place() -> None:
    machine = machine_of("xdp", "r2 = *(u32 *)(r1 +0)\n*(u8 *)(r2 +0) = 0xff\nr0 = 2")
    assert machine.receive("p", PACKET) == (2, b"\xff" + PACKET[1:])


BAD = [
    ("tc", "r2 = *(u32 *)(r1 +80)\nr0 = *(u8 *)(r2 +0)", "outside the packet, offset 34 of 34 bytes"),
    ("tc", "r0 = *(u16 *)(r1 +76)", "2 bytes at offset 76 of the context: a pointer is there"),
    ("tc", "r0 = *(u32 *)(r1 +192)", "4 bytes at offset 192: the context has 192"),
    ("kprobe", "r6 = r1\nr0 = *(u8 *)skb[0]", "packet access, but this program was not given a packet"),
]


@pytest.mark.parametrize(("kind", "text", "message"), BAD)
def test_what_is_no_part_of_a_packet(kind: str, text: str, message: str) -> None:
    machine = machine_of(kind, text)
    with pytest.raises(VmError, match=message):
        machine.call("p") if kind == "kprobe" else machine.receive("p", PACKET)


def test_gotox() -> None:
    spec = MapSpec("table", bpf.BPF_MAP_TYPE_INSN_ARRAY, 4, 16, 2)
    code = [
        ops.load(8, R2, R1),
        Statement(ops.load_map_value(R1, "table").insn, MapValueRef("table")),
        ops.alu("lsh", R2, 3),
        ops.alu("add", R1, R2),
        ops.load(8, R1, R1),
        ops.goto_register(R1),
        ops.mov64(R0, 1),
        ops.exit_(),
        ops.mov64(R0, 2),
        ops.exit_(),
    ]
    machine = machine_of("fentry", code, spec)
    table: Any = machine.maps["table"]
    for index, slot in enumerate((7, 9)):
        table.update(index.to_bytes(4, "little"), slot.to_bytes(4, "little") + bytes(12))
    assert [machine.call("p", number) for number in (0, 1)] == [1, 2]
    table.update(bytes(4), b"\2" + bytes(15))  # the middle of the 16-byte load
    with pytest.raises(VmError, match="is the address of no instruction in this function"):
        machine.call("p", 0)
    with pytest.raises(OSError, match="Argument list too long"):
        table.update(b"\2\0\0\0", bytes(16))


def test_names_that_are_not_there() -> None:
    machine = machine_of("kprobe", [ops.load_map(R1, "tabel"), ops.mov64(R0, 0), ops.exit_()])
    with pytest.raises(UsageError, match=r"^no program 'q'"):
        machine.run("q")
    with pytest.raises(UsageError, match=r"^no map 'tabel'$"):
        machine.run("p")
