"""From operations in registers to statements of assembly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pybpf.asm import KernelFunctionRef, Statement, SubprogramRef, ops
from pybpf.asm.ops import R0, R10, Reg
from pybpf.codegen.fold import COMMUTATIVE
from pybpf.codegen.ir import FREE, INVERSE, Block, Callee, Function, Op, signed
from pybpf.codegen.select import fits_imm32
from pybpf.source import Location

__all__ = ["emit"]


def emit(function: Function, registers: Mapping[Op, int], scratch: int, isa_v4: bool) -> list[Statement]:
    """The function's statements; blocks that are jumped to have labels, and a subprogram has its name as one.

    `scratch` is the offset from r10 of 8 bytes that are free, for moves that go in a circle.
    """
    return _Emitter(function, registers, scratch, isa_v4).run()


class _Emitter:
    def __init__(self, function: Function, registers: Mapping[Op, int], scratch: int, isa_v4: bool) -> None:
        self.registers = registers
        self.around: dict[Block, Block] = {}
        for block in function.blocks[1:]:
            if self._is_empty(block) and self._way(block.end.targets[0]) is not block:
                self.around[block] = block.end.targets[0]
        self.blocks = [block for block in function.blocks if block not in self.around]
        self.scratch = scratch
        self.isa_v4 = isa_v4
        self.code: list[Statement] = []
        self.location: Location | None = None
        self.entry = function.name if function.is_subprogram else ""
        prefix = f"{self.entry}." if self.entry else ""
        self.names = {block: f"{prefix}{index}_{block.name}" for index, block in enumerate(self.blocks)}
        self.jumped: set[Block] = set()

    def run(self) -> list[Statement]:
        starts = []
        for index, block in enumerate(self.blocks):
            starts.append(len(self.code))
            after = self.blocks[index + 1] if index + 1 < len(self.blocks) else None
            if not index:
                self._arrive(block)
            for op in block.ops[:-1]:
                self.location = op.location
                self._op(op)
            self.location = block.end.location
            self._moves_into(block)
            self._end(block, after)
        for start, block in zip(starts, self.blocks):
            if block in self.jumped:
                # A block may hold no code, when it falls through: then its label stands at what follows.
                first = self.code[start]
                self.code[start] = first._replace(labels=(*first.labels, self.names[block]))
        if self.entry:
            self.code[0] = ops.at(self.entry, self.code[0])
        return self.code

    def _is_empty(self, block: Block) -> bool:
        """Whether nothing is done on the way through a block."""
        if len(block.ops) != 1 or block.end.kind != "jump":
            return False
        target = block.end.targets[0]
        index = target.preds.index(block)
        return target is not block and all(
            phi.args[index] in self.registers and self.reg(phi.args[index]) == self.reg(phi)
            for phi in target.phis()
        )

    def _way(self, block: Block) -> Block:
        """The block that does something where `block` leads."""
        while block in self.around:
            block = self.around[block]
        return block

    def add(self, statement: Statement) -> None:
        self.code.append(statement._replace(location=self.location))

    def reg(self, op: Op) -> Reg:
        return Reg(self.registers[op])

    def value(self, op: Op, size: int = 8) -> Reg | int:
        """The operand that an instruction takes: a register, or an immediate."""
        if op.kind != "const":
            return self.reg(op)
        return signed(op.attr) if fits_imm32(signed(op.attr)) else signed(op.attr, size)

    def _move(self, dst: Reg, op: Op) -> None:
        """Bring any operation's value into a register."""
        if op.kind == "const":
            fits = fits_imm32(op.attr)
            self.add(ops.mov64(dst, signed(op.attr)) if fits else ops.load_imm64(dst, op.attr))
        elif op.kind == "map":
            self.add(ops.load_map(dst, op.attr))
        elif op.kind == "map_value":
            self.add(ops.load_map_value(dst, op.attr, op.offset))
        elif op.kind == "function":
            self.add(ops.load_function(dst, op.attr))
        elif op.kind == "slot":
            self.add(ops.mov64(dst, R10))
            self.add(ops.alu("add", dst, op.attr.offset + op.offset))
        elif self.reg(op) != dst:
            self.add(ops.mov64(dst, self.reg(op)))

    def _memory(self, op: Op) -> tuple[Reg, int]:
        base = op.args[0]
        if base.kind == "slot":
            return R10, base.attr.offset + base.offset + op.offset
        return self.reg(base), op.offset

    def _op(self, op: Op) -> None:
        if op.kind == "alu":
            self._alu(op)
        elif op.kind == "load":
            self._load(op)
        elif op.kind == "store":
            self.add(ops.store(op.size, *self._memory(op), self.value(op.args[1], op.size)))
        elif op.kind == "atomic":
            self.add(ops.atomic(op.attr, op.size, *self._memory(op), self.reg(op.args[1])))
        elif op.kind == "call":
            self._parallel([(Reg(number), arg) for number, arg in enumerate(op.args, 1)])
            for statement in _call(op.attr):
                self.add(statement)
            if op in self.registers and self.reg(op) != R0:
                self.add(ops.mov64(self.reg(op), R0))
        elif op.kind == "zext":
            self._zero_extend(self.reg(op), op)
        elif op.kind == "sext":
            self._sign_extend(self.reg(op), self.reg(op.args[0]), op.size)
        elif op.kind == "copy":
            self._move(self.reg(op), op.args[0])

    def _alu(self, op: Op) -> None:
        dst, (a, b) = self.reg(op), op.args
        if b.kind not in FREE and self.reg(b) == dst and op.attr in COMMUTATIVE:
            a, b = b, a
        self._move(dst, a)
        self.add(ops.alu(op.attr, dst, self.value(b, op.size), op.size * 8))

    def _load(self, op: Op) -> None:
        dst = self.reg(op)
        extends = bool(op.attr) and op.size < 8
        self.add(ops.load(op.size, dst, *self._memory(op), signed=extends and self.isa_v4))
        if extends and not self.isa_v4:
            self._sign_extend(dst, dst, op.size)

    def _zero_extend(self, dst: Reg, op: Op) -> None:
        src = self.reg(op.args[0])
        if op.size == 4:
            self.add(ops.mov32(dst, src))
            return
        self._move(dst, op.args[0])
        self.add(ops.alu("and", dst, (1 << op.size * 8) - 1))

    def _sign_extend(self, dst: Reg, src: Reg, size: int) -> None:
        if self.isa_v4:
            self.add(ops.movsx(dst, src, size * 8))
            return
        if dst != src:
            self.add(ops.mov64(dst, src))
        self.add(ops.alu("lsh", dst, 64 - size * 8))
        self.add(ops.alu("arsh", dst, 64 - size * 8))

    def _moves_into(self, block: Block) -> None:
        """Bring the arguments of the next block's phis to their registers."""
        if block.end.kind != "jump":
            return
        target = block.end.targets[0]
        index = target.preds.index(block)
        self._parallel([(self.reg(phi), phi.args[index]) for phi in target.phis() if phi in self.registers])

    def _parallel(self, moves: Iterable[tuple[Reg, Op]]) -> None:
        """Moves that happen all at once: in an order in which none destroys what another needs."""
        copies: dict[Reg, Reg] = {}
        fresh = []
        for dst, op in moves:
            if op.kind in FREE:
                fresh.append((dst, op))
            else:
                copies[dst] = self.reg(op)
        self._shuffle(copies)
        for dst, op in fresh:
            self._move(dst, op)

    def _arrive(self, entry: Block) -> None:
        """Bring what the function was given to where it is wanted."""
        came = [op for op in entry.ops if op.kind in ("argument", "context")]
        self.location = came[0].location if came else None
        self._shuffle({self.reg(op): Reg(1 + (op.attr or 0)) for op in came})

    def _shuffle(self, copies: dict[Reg, Reg]) -> None:
        """`copies[dst] = src`, all at once."""
        copies = {dst: src for dst, src in copies.items() if dst != src}
        while copies:
            ready = [dst for dst in copies if dst not in copies.values()]
            if ready:
                self.add(ops.mov64(ready[0], copies.pop(ready[0])))
                continue
            # A cycle goes through the stack; exclusive ors won't do, since pointers allow no arithmetic.
            dst, src = copies.popitem()
            self.add(ops.store(8, R10, self.scratch, src))
            while ready := [reg for reg in copies if reg not in copies.values()]:
                self.add(ops.mov64(ready[0], copies.pop(ready[0])))
            self.add(ops.load(8, dst, R10, self.scratch))

    def _end(self, block: Block, after: Block | None) -> None:
        end = block.end
        if end.kind == "exit":
            self._move(R0, end.args[0])
            self.add(ops.exit_())
        elif end.kind == "jump":
            target = self._way(end.targets[0])
            if target is not after:
                self.add(ops.ja(self._label(target)))
        else:
            self._branch(end, after)

    def _branch(self, end: Op, after: Block | None) -> None:
        condition, (then, otherwise) = end.attr, map(self._way, end.targets)
        if then is after and condition in INVERSE:
            condition, then, otherwise = INVERSE[condition], otherwise, then
        right = end.args[1]
        narrow = end.kind == "branch32"
        value = self.value(right, 4 if narrow else 8)
        jump = ops.jump(
            f"j{condition}", self.reg(end.args[0]), value, self._label(then), 32 if narrow else 64
        )
        self.add(jump)
        if otherwise is not after:
            self.add(ops.ja(self._label(otherwise)))

    def _label(self, block: Block) -> str:
        self.jumped.add(block)
        return self.names[block]


def _call(callee: Callee) -> tuple[Statement, ...]:
    if isinstance(callee, (str, int)):
        return (ops.call(callee),)
    if isinstance(callee, SubprogramRef):
        return (ops.call_subprogram(callee.name),)
    if isinstance(callee, KernelFunctionRef):
        return (ops.call_kernel_function(callee.name),)
    return callee
