#!/usr/bin/env python3
"""How many instructions a second pybpf.vm runs, beside a plain fetch-decode loop over the same program.

usage: tools/bench vm [--rounds N]

The loop mixes arithmetic of both widths, shifts, loads and stores on the stack and through a pointer, and
branches that are taken now and then. Both ways must come to the same result. Times are of the processor.
"""

from __future__ import annotations

import argparse
import struct
import time

from pybpf.asm import link, ops
from pybpf.asm.ops import R0, R1, R2, R3, R4, R5, R6, R7, R8, R10
from pybpf.isa import Instruction, decode
from pybpf.isa.opcodes import (
    BPF_ADD,
    BPF_ALU,
    BPF_ALU64,
    BPF_AND,
    BPF_EXIT,
    BPF_JA,
    BPF_JLT,
    BPF_JMP,
    BPF_JNE,
    BPF_LDX,
    BPF_LSH,
    BPF_MOV,
    BPF_MUL,
    BPF_RSH,
    BPF_ST,
    BPF_STX,
    BPF_X,
    BPF_XOR,
)
from pybpf.vm import Machine
from pybpf.vm.code import from_bytes
from pybpf.vm.program import Program

MEMORY = bytes(range(64))
M64 = (1 << 64) - 1


def program(rounds: int) -> bytes:
    """A loop of 18 instructions, of which 15 to 18 run in a round."""
    return link(
        [
            ops.mov64(R6, 0),
            ops.mov64(R7, 0x1E3779B9),
            ops.mov64(R8, rounds),
            ops.store(8, R10, -8, 1),
            # arithmetic
            ops.at("loop", ops.alu("add", R6, R7)),
            ops.alu("mul", R7, 0x5BD1E995, width=32),
            ops.mov64(R3, R7),
            ops.alu("rsh", R3, 13),
            ops.alu("xor", R7, R3),
            # the stack
            ops.load(8, R4, R10, -8),
            ops.alu("add", R4, R6),
            ops.store(8, R10, -8, R4),
            ops.store(4, R10, -16, R7),
            # memory, at an index
            ops.mov64(R5, R7),
            ops.alu("and", R5, 31),
            ops.alu("add", R5, R1),
            ops.load(4, R0, R5, 8),
            ops.store(1, R5, 0, R6),
            # branches
            ops.jump("jlt", R0, 1 << 30, "skip"),
            ops.alu("xor", R6, R0),
            ops.alu("lsh", R2, 1),
            ops.at("skip", ops.alu("add", R8, -1)),
            ops.jump("jne", R8, 0, "loop"),
            ops.mov64(R0, R6),
            ops.exit_(),
        ]
    )


def floor(code: list[Instruction], data: bytearray) -> tuple[int, int]:
    """The straightforward way: fetch, decode, execute; r0 and the number of instructions."""
    registers = [0] * 11
    stack = bytearray(512)
    base, top = 1 << 32, (2 << 32) + 512
    registers[1], registers[2], registers[10] = base, len(data), top
    formats = {0x00: "<I", 0x08: "<H", 0x10: "<B", 0x18: "<Q"}
    pc = steps = 0
    while True:
        opcode, dst, src, offset, imm = code[pc]
        steps += 1
        pc += 1
        kind, operation = opcode & 7, opcode & 0xF0
        if kind in (BPF_ALU, BPF_ALU64):
            value = registers[src] if opcode & BPF_X else imm & M64
            old = registers[dst]
            if operation == BPF_MOV:
                new = value
            elif operation == BPF_ADD:
                new = old + value
            elif operation == BPF_MUL:
                new = old * value
            elif operation == BPF_XOR:
                new = old ^ value
            elif operation == BPF_AND:
                new = old & value
            elif operation == BPF_LSH:
                new = old << (value & 63)
            elif operation == BPF_RSH:
                new = old >> (value & 63)
            else:
                raise ValueError(opcode)
            registers[dst] = new & (M64 if kind == BPF_ALU64 else 0xFFFF_FFFF)
        elif kind in (BPF_LDX, BPF_ST, BPF_STX):
            address = registers[src if kind == BPF_LDX else dst] + offset
            memory, at = (stack, address - top + 512) if address >> 32 == 2 else (data, address - base)
            code_of = formats[opcode & 0x18]
            if at < 0:
                raise ValueError(address)
            if kind == BPF_LDX:
                registers[dst] = struct.unpack_from(code_of, memory, at)[0]
            else:
                value = registers[src] if kind == BPF_STX else imm
                struct.pack_into(code_of, memory, at, value & (1 << struct.calcsize(code_of) * 8) - 1)
        elif operation == BPF_EXIT:
            return registers[0], steps
        else:
            value = registers[src] if opcode & BPF_X else imm & M64
            if (
                operation == BPF_JA
                or (operation == BPF_JNE and registers[dst] != value)
                or (operation == BPF_JLT and registers[dst] < value)
            ):
                pc += offset
            assert kind == BPF_JMP


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=200_000, help="of the loop (default %(default)s)")
    rounds = parser.parse_args().rounds
    code = program(rounds)

    machine = Machine(steps=1 << 40)
    region = machine.memory.map(bytearray(MEMORY), "the memory")
    started = time.process_time()
    translated = Program(machine, "bench", from_bytes(code), arguments=2)
    translated.translation()
    translation = time.process_time() - started
    started = time.process_time()
    result = machine.execute(translated, region.address, len(MEMORY))
    seconds = time.process_time() - started
    print(f"pybpf.vm            {machine.executed / seconds / 1e6:6.2f} million instructions/s", end="")
    print(f"  ({machine.executed} in {seconds:.2f} s; translated in {translation * 1e3:.2f} ms)")

    started = time.process_time()
    other, steps = floor(list(decode(code)), bytearray(MEMORY))
    slow = time.process_time() - started
    print(f"fetch-decode loop   {steps / slow / 1e6:6.2f} million instructions/s  ({steps} in {slow:.2f} s)")
    print(f"ratio               {machine.executed / seconds / (steps / slow):6.1f}")
    if (other, steps) != (result, machine.executed):
        raise SystemExit(f"they differ: r0 {result:#x} and {other:#x}, {machine.executed} and {steps} steps")


main()
