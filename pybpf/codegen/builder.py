"""Writes IR: the only way in which lowering makes operations."""

from __future__ import annotations

from pybpf.codegen.fold import compare, fold_alu, identity
from pybpf.codegen.ir import FREE, U64, Block, Callee, Function, Local, Op, Slot
from pybpf.source import Location

__all__ = ["Builder"]


class Builder:
    """Adds operations at the end of `block`; `location` goes into each.

    A program has a `context`; a subprogram `arguments` instead, up to five. `block` is None after a
    terminator: what follows can't be reached, and isn't written.
    """

    def __init__(self, name: str, arguments: int | None = None) -> None:
        self.function = Function(name, arguments is not None)
        self.location: Location | None = None
        self.block: Block | None = None
        self.enter(self.new_block("entry"))
        self.arguments = [self.emit("argument", attr=number) for number in range(arguments or 0)]
        self.context = self.emit("context") if arguments is None else None

    def new_block(self, name: str) -> Block:
        """A block that `enter` will add to the function."""
        return Block(name)

    def enter(self, block: Block) -> None:
        """Go on at the (empty) `block`."""
        self.function.blocks.append(block)
        self.block = block

    def emit(
        self,
        kind: str,
        args: tuple[Op, ...] = (),
        attr: object = None,
        size: int = 8,
        offset: int = 0,
        targets: tuple[Block, ...] = (),
    ) -> Op:
        op = Op(kind, args, attr, size, offset, self.location, targets)
        if self.block is not None and kind not in FREE:
            self.block.ops.append(op)
            for target in targets:
                target.preds.append(self.block)
        return op

    def const(self, value: int) -> Op:
        return self.emit("const", attr=value & U64)

    def get(self, local: Local) -> Op:
        return self.emit("get", attr=local)

    def set(self, local: Local, value: Op) -> None:
        self.emit("set", (value,), local)

    def alu(self, name: str, a: Op, b: Op, size: int = 8) -> Op:
        """`a name b` on the low `size` bytes (4 or 8), zero-extended."""
        if a.kind == "const" and b.kind == "const":
            return self.const(fold_alu(name, a.attr, b.attr, size))
        return identity(name, a, b, size) or self.emit("alu", (a, b), name, size)

    def extend(self, value: Op, size: int, signed: bool) -> Op:
        """The low `size` bytes of `value`, zero- or sign-extended."""
        return value if size == 8 else self.emit("sext" if signed else "zext", (value,), size=size)

    def load(self, base: Op, offset: int, size: int, signed: bool = False) -> Op:
        return self.emit("load", (base,), signed, size, offset)

    def store(self, base: Op, offset: int, size: int, value: Op) -> None:
        self.emit("store", (base, value), None, size, offset)

    def kread(self, base: Op, offset: int, size: int, signed: bool = False) -> Op:
        """A field of 1, 2, 4 or 8 bytes in kernel memory; 0 when it can't be read."""
        return self.emit("kread", (base,), signed, size, offset)

    def atomic(self, name: str, base: Op, offset: int, size: int, value: Op) -> None:
        self.emit("atomic", (base, value), name, size, offset)

    def call(self, callee: Callee, *args: Op) -> Op:
        """Call a helper, a subprogram or a kernel function, or run statements that do as a helper does."""
        return self.emit("call", args, callee)

    def function_address(self, name: str) -> Op:
        """The address of a subprogram, for a helper that calls it back."""
        return self.emit("function", attr=name)

    def map(self, name: str) -> Op:
        return self.emit("map", attr=name)

    def map_value(self, name: str, offset: int) -> Op:
        return self.emit("map_value", attr=name, offset=offset)

    def slot(self, size: int, name: str = "") -> Op:
        """The address of `size` bytes in the stack frame, 8-byte aligned."""
        slot = Slot(size, name)
        self.emit("begin", attr=slot)
        return self.emit("slot", attr=slot)

    def address(self, base: Op, offset: int) -> Op:
        """`base` moved by `offset` bytes."""
        if base.kind == "slot":
            return self.emit("slot", attr=base.attr, offset=base.offset + offset)
        return self.alu("add", base, self.const(offset)) if offset else base

    def jump(self, target: Block) -> None:
        self.emit("jump", targets=(target,))
        self.block = None

    def branch(self, condition: str, a: Op, b: Op, then: Block, otherwise: Block, size: int = 8) -> None:
        """Go to `then` when `a condition b` holds; operands are `size` bytes, extended."""
        if a.kind == "const" and b.kind == "const":
            return self.jump(then if compare(condition, a.attr, b.attr) else otherwise)
        self.emit("branch", (a, b), condition, size, targets=(then, otherwise))
        self.block = None
        return None

    def exit(self, value: Op) -> None:
        self.emit("exit", (value,))
        self.block = None
