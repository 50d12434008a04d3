"""Random programs that the verifier accepts, for `tools/fuzz isa` and its tests.

A program is a classifier on a packet of 256 bytes: it loads its registers from the packet, does things, and
writes registers and stack back into the packet's second half, where they can be compared. Registers: r0 to
r5, r7 and r8 hold numbers, r6 the context, r9 the packet. The stack's upper 64 bytes are data, the next 64
for keys and values.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from pybpf.asm import LabelRef, Statement, ops
from pybpf.asm.ops import R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10, Reg
from pybpf.isa import Instruction
from pybpf.isa.opcodes import BPF_JA, BPF_JMP32
from pybpf.spec import MapSpec
from pybpf.uapi import bpf

PACKET = 256
MAPS = (
    MapSpec("array", bpf.BPF_MAP_TYPE_ARRAY, 4, 64, 4),
    MapSpec("hash", bpf.BPF_MAP_TYPE_HASH, 4, 8, 4),
    MapSpec("value", bpf.BPF_MAP_TYPE_ARRAY, 4, 64, 1),
)

_EDGES = (0, 1, 2, 7, 8, 31, 32, 63, 64, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF)
_NEGATIVE = (-1, -2, -7, -8, -128, -129, -0x8000, -0x8000_0000)
_WIDE = (1 << 63, (1 << 63) - 1, 1 << 32, (1 << 32) - 1, 1 << 31, (1 << 64) - 1, 0xFFFF_FFFF_8000_0000)
_JUMPS = tuple(ops.JUMPS)
_ATOMICS = ("add", "or", "and", "xor", "xchg", "cmpxchg")
_SCRATCH = (R1, R2, R3, R4, R5)


class Generator:
    """Writes one program. `numbers` are the registers that may be changed."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.code: list[Statement] = []
        self.functions: list[list[Statement]] = []
        self.numbers: tuple[Reg, ...] = (R0, R1, R2, R3, R4, R5, R7, R8)
        self.in_main = True
        self.labels = 0
        self.pending: tuple[str, ...] = ()

    def emit(self, *statements: Statement) -> None:
        for statement in statements:
            self.code.append(statement._replace(labels=(*self.pending, *statement.labels)))
            self.pending = ()

    def label(self) -> str:
        self.labels += 1
        return f"l{self.labels}"

    def place(self, label: str) -> None:
        """Let `label` stand at the next statement."""
        self.pending += (label,)

    def register(self) -> Reg:
        return self.random.choice(self.numbers)

    def immediate(self) -> int:
        pick = self.random.random()
        if pick < 0.5:
            return self.random.choice(_EDGES)
        if pick < 0.8:
            return self.random.choice(_NEGATIVE)
        return self.random.randrange(-1 << 31, 1 << 31)

    def operand(self) -> Reg | int:
        return self.register() if self.random.random() < 0.6 else self.immediate()

    # What a program is made of.

    def program(self) -> list[Statement]:
        self.emit(
            ops.mov64(R6, R1),
            ops.load(4, R9, R6, 76),  # data
            ops.load(4, R2, R6, 80),  # data_end
            ops.mov64(R3, R9),
            ops.alu("add", R3, PACKET),
            ops.jump("jgt", R3, R2, "out"),
        )
        for number, register in enumerate(self.numbers):
            self.emit(ops.load(8, register, R9, number * 8))
        for slot in range(1, 9):
            self.emit(ops.store(8, R10, -8 * slot, self.register()))
        for slot in range(9, 17):
            self.emit(ops.store(8, R10, -8 * slot, 0))
        self.block(self.random.randrange(2, 14), depth=0)
        for number, register in enumerate(self.numbers):
            self.emit(ops.store(8, R9, 128 + number * 8, register))
        for slot in range(8):
            self.emit(ops.load(8, R1, R10, -8 * slot - 8), ops.store(8, R9, 192 + slot * 8, R1))
        self.emit(ops.mov64(R0, R7), ops.exit_(), ops.at("out", ops.mov64(R0, 1)), ops.exit_())
        return [*self.code, *(statement for function in self.functions for statement in function)]

    def block(self, count: int, depth: int) -> None:
        for _ in range(count):
            units: list[Callable[[int], None]] = [self.arithmetic] * 6 + [
                self.stack,
                self.stack,
                self.branch,
                self.wide,
            ]
            if self.in_main:
                units += [self.packet, self.loop, self.map_value, self.map_value, self.update]
                units += [self.look_up, self.legacy, self.load_bytes]
                units += [self.call, self.call_back, self.may_goto]
            unit = self.random.choice(units)
            nested = {self.branch: 2, self.loop: 2, self.may_goto: 2, self.call_back: 1}
            if depth >= nested.get(unit, 9) or (
                R8 not in self.numbers and unit in (self.loop, self.may_goto)
            ):
                unit = self.arithmetic
            unit(depth)

    def arithmetic(self, _: int) -> None:
        random, dst = self.random, self.register()
        width = random.choice((32, 64))
        kind = random.randrange(20)
        if kind == 0:
            self.emit(ops.neg(dst, width))
        elif kind <= 2:
            swap = random.choice((ops.to_be, ops.to_le, ops.bswap))
            self.emit(swap(dst, random.choice((16, 32, 64))))
        elif kind <= 4:
            bits = random.choice((8, 16, 32) if width == 64 else (8, 16))
            self.emit(ops.movsx(dst, self.register(), bits, width))
        else:
            name, value = random.choice(tuple(ops.ALU)), self.operand()
            if not isinstance(value, Reg):
                if name in ("lsh", "rsh", "arsh"):
                    value = random.randrange(width)
                elif name in ("div", "mod", "sdiv", "smod"):
                    value = value or 3
            self.emit(ops.alu(name, dst, value, width))

    def wide(self, _: int) -> None:
        value = self.random.choice((*_WIDE, self.random.getrandbits(64)))
        self.emit(ops.load_imm64(self.register(), value))

    def access(self, base: Reg, low: int, high: int, *, aligned: bool, atomics: bool) -> None:
        """A load, store or atomic at `base`, offset `low` to `high`."""
        random = self.random
        size = random.choice((1, 2, 4, 8))
        offset = random.randrange(low, high - size + 1)
        kind = random.randrange(8 if atomics else 5)
        if aligned or kind >= 5:
            offset = low + (offset - low) // 8 * 8 + random.randrange(8 // size) * size
        others = [register for register in self.numbers if register is not base]
        register = random.choice(others)
        if kind <= 1:
            signed = size < 8 and random.random() < 0.4
            self.emit(ops.load(size, register, base, offset, signed))
        elif kind <= 3:
            self.emit(ops.store(size, base, offset, register))
        elif kind == 4:
            self.emit(ops.store(size, base, offset, self.immediate()))
        elif kind == 5:
            acquire = random.random() < 0.5
            op = ops.load_acquire if acquire else ops.store_release
            self.emit(op(size, register, base, offset) if acquire else op(size, base, offset, register))
        else:
            if size < 4:
                size, offset = 4, low + (offset - low) // 4 * 4
            fetch = random.random() < 0.5
            name = random.choice(_ATOMICS)
            if name == "cmpxchg" and base is R0:
                name = "xchg"
            self.emit(ops.atomic(name, size, base, offset, register, fetch or "xchg" in name))
            if name == "cmpxchg" and size == 4:
                # Linux 6.18 leaves r0's upper half alone where the verifier pruned what reads it later
                # (7.3 does not).
                self.emit(ops.mov32(R0, R0))

    def stack(self, _: int) -> None:
        self.access(R10, -64 if self.in_main else -32, 0, aligned=True, atomics=True)

    def packet(self, _: int) -> None:
        self.access(R9, 0, 128, aligned=False, atomics=False)

    def branch(self, depth: int) -> None:
        other = self.label()
        value = self.operand()
        width = self.random.choice((32, 64))
        self.emit(ops.jump(self.random.choice(_JUMPS), self.register(), value, other, width))
        self.block(self.random.randrange(1, 4), depth + 1)
        if self.random.random() < 0.5:
            end = self.label()
            far = Statement(Instruction(BPF_JMP32 | BPF_JA), LabelRef(end))  # gotol
            self.emit(self.random.choice((ops.ja(end), far)))
            self.place(other)
            self.block(self.random.randrange(1, 3), depth + 1)
            self.place(end)
        else:
            self.place(other)
        self.emit(ops.alu("add", self.register(), 1))

    def loop(self, depth: int) -> None:
        """A few rounds, counted in r8."""
        kept, start = self.numbers, self.label()
        self.emit(ops.mov64(R8, self.random.randrange(1, 5)))
        self.numbers = tuple(register for register in kept if register is not R8)
        self.place(start)
        self.block(self.random.randrange(1, 4), depth + 2)
        self.emit(ops.alu("sub", R8, 1), ops.jump("jne", R8, 0, start))
        self.numbers = kept

    def may_goto(self, depth: int) -> None:
        """As many rounds as the packet says, up to 15: the kernel's own budget is far larger."""
        kept, start, end = self.numbers, self.label(), self.label()
        self.emit(ops.alu("and", R8, 15))
        self.numbers = tuple(register for register in kept if register is not R8)
        self.place(start)
        self.emit(ops.may_goto(end))
        self.block(self.random.randrange(1, 3), depth + 2)
        self.emit(ops.alu("sub", R8, 1), ops.jump("jsgt", R8, 0, start))
        self.place(end)
        self.emit(ops.mov64(R8, self.immediate()))
        self.numbers = kept

    def reload(self, registers: tuple[Reg, ...] = _SCRATCH) -> None:
        """Numbers for registers that a call took."""
        for register in registers:
            if register not in self.numbers:
                continue
            if self.random.random() < 0.5:
                self.emit(ops.load(8, register, R9, self.random.randrange(120)))
            else:
                self.emit(ops.mov64(register, self.immediate()))

    def map_value(self, _: int) -> None:
        base = self.random.choice([each for each in _SCRATCH if each in self.numbers])
        start = self.random.choice((0, 8, 16))
        self.emit(ops.load_map_value(base, "value", start))
        span = 64 - start
        if self.random.random() < 0.5:  # at an index
            index = self.random.choice([each for each in self.numbers if each is not base])
            self.emit(ops.alu("and", index, 24), ops.alu("add", base, index))
            span -= 24
        for _ in range(self.random.randrange(1, 4)):
            kept = self.numbers
            self.numbers = tuple(each for each in kept if each is not base)
            self.access(base, 0, span, aligned=False, atomics=True)
            self.numbers = kept
        self.reload((base,))

    def key(self) -> None:
        """r2 = a key on the stack."""
        self.emit(
            ops.store(4, R10, -68, self.random.randrange(6)), ops.mov64(R2, R10), ops.alu("add", R2, -68)
        )

    def look_up(self, _: int) -> None:
        name = self.random.choice(("array", "hash"))
        size, missing = (64, self.label()) if name == "array" else (8, self.label())
        self.key()
        self.emit(ops.load_map(R1, name), ops.call("bpf_map_lookup_elem"), ops.jump("jeq", R0, 0, missing))
        self.reload()
        kept = self.numbers
        self.numbers = tuple(each for each in kept if each is not R0)
        for _ in range(self.random.randrange(1, 4)):
            self.access(R0, 0, size, aligned=False, atomics=True)
        self.numbers = kept
        self.place(missing)
        self.emit(ops.mov64(R0, self.immediate()))
        self.reload()

    def update(self, _: int) -> None:
        name = self.random.choice(("array", "hash", "hash"))
        self.key()
        if self.random.random() < 0.3:
            self.emit(ops.load_map(R1, name), ops.call("bpf_map_delete_elem"))
        else:
            self.emit(ops.mov64(R3, R10), ops.alu("add", R3, -64))
            self.emit(ops.mov64(R4, self.random.choice((0, 0, 0, 1, 2, 3))), ops.load_map(R1, name))
            self.emit(ops.call("bpf_map_update_elem"))
        self.reload()

    def legacy(self, _: int) -> None:
        """Packet access that may end the program."""
        offset = self.random.choice((0, 14, 100, 200, 250, 252, 254, 255, 256))
        size = self.random.choice((1, 2, 4))
        if self.random.random() < 0.5:
            self.emit(ops.load_packet(size, offset))
        else:
            index = self.register()
            if index is R0:
                index = R7 if R7 in self.numbers else R1
            self.emit(ops.alu("and", index, 0xFF), ops.load_packet(size, self.random.randrange(4), index))
        self.reload()

    def load_bytes(self, _: int) -> None:
        self.emit(
            ops.mov64(R1, R6),
            ops.mov64(R2, self.random.choice((0, 5, 200, 250, 1000))),
            ops.mov64(R3, R10),
            ops.alu("add", R3, -64),
            ops.mov64(R4, self.random.randrange(1, 33)),
            ops.call("bpf_skb_load_bytes"),
        )
        self.reload()

    def function(self, name: str, body: list[Statement], *ending: Statement) -> None:
        """Put a function after the program."""
        labelled = [ops.at(name, body[0]), *body[1:], *ending]
        self.functions.append(labelled)

    def other(self, numbers: tuple[Reg, ...], *first: Statement) -> Generator:
        inner = Generator(self.random)
        inner.numbers, inner.in_main, inner.labels = numbers, False, 1000 * (len(self.functions) + 1)
        inner.emit(*first)
        return inner

    def call(self, _: int) -> None:
        name = f"f{len(self.functions)}"
        inner = self.other((R0, R1, R2, R3, R4, R5, R7), ops.mov64(R0, R1), ops.mov64(R7, R2))
        for slot in range(1, 5):
            inner.emit(ops.store(8, R10, -8 * slot, inner.register()))
        inner.block(self.random.randrange(1, 6), depth=1)
        inner.emit(ops.alu("xor", R0, R7), ops.load(8, R1, R10, -16), ops.alu("add", R0, R1))
        self.function(name, inner.code, ops.exit_())
        self.emit(ops.call_subprogram(name))
        self.reload()

    def call_back(self, _: int) -> None:
        """bpf_loop with a function that changes the caller's stack."""
        name = f"f{len(self.functions)}"
        numbers = (R0, R3, R4, R5)
        inner = self.other(numbers, *(ops.mov64(each, self.immediate()) for each in numbers))
        inner.emit(ops.alu("add", R3, R1), *(ops.store(8, R10, -8 * slot, R3) for slot in range(1, 5)))
        inner.block(self.random.randrange(1, 3), depth=1)
        inner.emit(ops.load(8, R4, R2, 8), ops.alu("add", R4, R3), ops.store(8, R2, 8, R4), ops.mov64(R0, 0))
        inner.emit(ops.jump("jlt", R1, self.random.randrange(1, 8), "end" + name), ops.mov64(R0, 1))
        self.function(name, inner.code, ops.at("end" + name, ops.exit_()))
        self.emit(
            # Not 0: Linux 6.18 drops a function that is never called, and then looks for it ("verifier bug").
            ops.mov64(R1, self.random.randrange(1, 6)),
            ops.load_function(R2, name),
            ops.mov64(R3, R10),
            ops.alu("add", R3, -64),
            ops.mov64(R4, 0),
            ops.call("bpf_loop"),
        )
        self.reload()


def random_program(seed: int) -> tuple[list[Statement], bytes]:
    """The program of that seed, and the packet to run it on."""
    random = Random(seed)
    packet = bytearray(random.getrandbits(8) for _ in range(PACKET))
    for number in range(8):
        if random.random() < 0.5:
            value = random.choice((*_EDGES, *_NEGATIVE, *_WIDE)) & (1 << 64) - 1
            packet[number * 8 : number * 8 + 8] = value.to_bytes(8, "little")
    packet[12:14] = b"\x88\xb5"  # a protocol that the kernel does not look into
    return Generator(random).program(), bytes(packet)
