"""Extension on demand: where only the low bytes of a value are looked at, it need not be extended."""

from __future__ import annotations

from pybpf.codegen.ir import Function, Op, follow

__all__ = ["demanded", "relax_extensions"]

# Operations whose low bytes depend on nothing but the low bytes of their operands.
_UPWARD = frozenset({"add", "sub", "mul", "and", "or", "xor"})


def relax_extensions(function: Function) -> None:
    """Drop extensions, and make signed loads unsigned, where no use looks at more than was extended."""
    needs = demanded(function)
    same: dict[Op, Op] = {}
    for block in function.blocks:
        for op in block.ops:
            if needs[op] > op.size:
                continue
            if op.kind in ("zext", "sext"):
                same[op] = op.args[0]
            elif op.kind in ("load", "kread"):
                op.attr = False
    for block in function.blocks:
        block.ops = [op for op in block.ops if op not in same]
        for op in block.ops:
            op.args = tuple(follow(arg, same) for arg in op.args)


def demanded(function: Function, narrowing: bool = False) -> dict[Op, int]:
    """How many low bytes of each operation's value are looked at.

    When `narrowing`, a comparison of 4-byte numbers counts as one of their low halves.
    """
    needs = {op: 0 for block in function.blocks for op in block.ops}
    changed = True
    while changed:
        changed = False
        for block in reversed(function.blocks):
            for op in reversed(block.ops):
                for index, arg in enumerate(op.args):
                    need = _need(op, index, needs[op], narrowing)
                    if need > needs.setdefault(arg, 0):
                        needs[arg] = need
                        changed |= op.kind == "phi"  # whose operands may be made later, round a loop
    return needs


def _need(op: Op, index: int, need: int, narrowing: bool) -> int:
    """How many low bytes of an operand matter, when `need` of the result do."""
    if op.kind in ("zext", "sext") or (op.kind == "alu" and op.attr in _UPWARD):
        return min(need, op.size)
    if op.kind == "alu":
        return min(need, op.size) if op.attr == "lsh" and index == 0 else op.size
    if op.kind == "phi":
        return need
    if op.kind == "branch32" or (narrowing and op.kind == "branch" and op.size == 4):
        return 4
    return op.size if op.kind == "store" and index == 1 else 8
