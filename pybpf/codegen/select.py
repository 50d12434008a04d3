"""Getting ready for registers: what no instruction can take as it is gets an operation of its own."""

from __future__ import annotations

from pybpf.codegen.fold import COMMUTATIVE
from pybpf.codegen.ir import FREE, Block, Function, Op, signed

__all__ = ["fits_imm32", "legalise"]


def fits_imm32(value: int, size: int = 8) -> bool:
    """Whether a constant can be the 32-bit immediate of an operation on `size` bytes."""
    return size < 8 or -(1 << 31) <= signed(value) < 1 << 31


def legalise(function: Function) -> None:
    """Insert a `copy` before each use of a free operation that has to be in a register, and split edges."""
    for block in function.blocks:
        ops: list[Op] = []
        for op in block.ops:
            args = list(op.args)
            for index, arg in enumerate(args):
                if arg.kind in FREE and not _immediate(op, index, arg):
                    args[index] = Op("copy", (arg,), location=op.location)
                    ops.append(args[index])
            op.args = tuple(args)
            ops.append(op)
        block.ops = ops
    _split_edges(function)


def _immediate(op: Op, index: int, arg: Op) -> bool:
    if op.kind in ("call", "exit", "phi", "copy"):
        return True
    if op.kind == "alu":
        # The first operand of `a + b` may change places with the second.
        fits = arg.kind == "const" and fits_imm32(arg.attr, op.size)
        if index == 0:
            return fits or op.attr not in COMMUTATIVE
        return fits and not _is_refused(op.attr, arg.attr, op.size)
    if op.kind in ("load", "store", "atomic") and index == 0:
        return arg.kind == "slot"
    if op.kind == "store":
        return arg.kind == "const" and fits_imm32(arg.attr, op.size)
    if op.kind in ("branch", "branch32") and index == 1:
        return arg.kind == "const" and fits_imm32(arg.attr, 4 if op.kind == "branch32" else 8)
    return False


def _is_refused(name: str, value: int, size: int) -> bool:
    """Immediates that the verifier refuses, where it takes the same in a register: division by 0, and
    shifts by more than there are bits.
    """
    if name in ("div", "mod", "sdiv", "smod"):
        return value == 0
    return name in ("lsh", "rsh", "arsh") and value >= size * 8


def _split_edges(function: Function) -> None:
    """A branch into a block with phis gets a block of its own on that edge, for the moves."""
    split = False
    for block in list(function.blocks):
        if len(block.end.targets) < 2:
            continue
        for target in set(block.end.targets):
            if next(target.phis(), None) is None:
                continue
            edge = Block(f"{block.name}_{target.name}")
            edge.ops.append(Op("jump", location=block.end.location, targets=(target,)))
            edge.preds = [block]
            block.end.targets = tuple(edge if t is target else t for t in block.end.targets)
            target.preds[target.preds.index(block)] = edge
            function.blocks.append(edge)
            split = True
    if split:
        function.order()
