"""Folding, copies and common subexpressions, in one walk down the dominator tree."""

from __future__ import annotations

from pybpf.asm import KernelFunctionRef
from pybpf.codegen.fold import COMMUTATIVE, compare, fold_alu, identity
from pybpf.codegen.ir import SWAPPED, U64, Block, Function, Op, follow, signed, value_key

__all__ = ["PURE_HELPERS", "dominators", "simplify"]

# Helpers that give the same result however often one run of a program calls them.
PURE_HELPERS = frozenset(
    {
        "get_current_pid_tgid",
        "get_current_uid_gid",
        "get_current_task",
        "get_current_task_btf",
        "get_current_cgroup_id",
        KernelFunctionRef("bpf_rdonly_cast"),
    }
)
_PURE = frozenset({"alu", "zext", "sext", "kread"})


def simplify(function: Function) -> None:
    """Fold until nothing changes; every block keeps its place in dominance."""
    while True:
        function.order()
        if not _walk(function):
            return


def dominators(function: Function) -> dict[Block, Block]:
    """The immediate dominator of each block but the entry (Cooper, Harvey, Kennedy 2001)."""
    number = {block: index for index, block in enumerate(function.blocks)}
    above = {function.blocks[0]: function.blocks[0]}
    changed = True
    while changed:
        changed = False
        for block in function.blocks[1:]:
            best: Block | None = None
            for pred in block.preds:
                if pred not in above:
                    continue
                other = pred
                while best is not None and best is not other:
                    if number[best] > number[other]:
                        best = above[best]
                    else:
                        other = above[other]
                best = other
            if best is not None and above.get(block) is not best:
                above[block] = best
                changed = True
    del above[function.blocks[0]]
    return above


def _walk(function: Function) -> bool:
    """One pass; True when an edge was removed, so that another is worth while."""
    above = dominators(function)
    known: dict[Block, dict[object, Op]] = {}
    same: dict[Op, Op] = {}
    cut = False
    for block in function.blocks:  # reverse post-order: a dominator comes before what it dominates
        table = dict(known[above[block]]) if block in above else {}
        known[block] = table
        kept: list[Op] = []
        for op in block.ops:
            op.args = tuple(follow(arg, same) for arg in op.args)
            new = _fold(op)
            if new is None:
                key = _key(op)
                new = table.setdefault(key, op) if key is not None else op
            if new is op:
                kept.append(op)
            else:
                same[op] = new
        block.ops = kept
        cut |= _fold_end(block)
    for block in function.blocks:
        for phi in block.phis():
            phi.args = tuple(follow(arg, same) for arg in phi.args)
    return cut | _drop_phis(function)


def _key(op: Op) -> object | None:
    pure = (
        op.kind in _PURE
        or (op.kind == "call" and op.attr in PURE_HELPERS)
        or (op.kind == "load" and (op.args[0].kind == "context" or _is_frozen(op.args[0])))
    )
    return (op.kind, op.attr, op.size, op.offset, *map(value_key, op.args)) if pure else None


def _is_frozen(base: Op) -> bool:
    """Whether what lies there never changes: parameters, unlike variables."""
    return base.kind == "map_value" and base.attr == ".rodata"


def _fold(op: Op) -> Op | None:
    """A simpler operation that gives the same value, or None."""
    if op.kind == "alu":
        return _fold_alu(op)
    if op.kind in ("zext", "sext"):
        return _fold_extension(op)
    if op.kind in ("load", "store", "kread", "atomic"):
        _fold_address(op)
    if op.kind == "store":
        value = op.args[1]
        while value.kind in ("zext", "sext") and value.size >= op.size:
            value = value.args[0]
        op.args = (op.args[0], value)
    elif op.kind == "branch" and op.args[0].kind == "const" and op.args[1].kind != "const":
        op.args = op.args[::-1]
        op.attr = SWAPPED.get(op.attr, op.attr)
    return None


def _fold_alu(op: Op) -> Op | None:
    a, b = op.args
    if a.kind == "const" and b.kind == "const":
        return Op("const", attr=fold_alu(op.attr, a.attr, b.attr, op.size), location=op.location)
    if a.kind == "const" and op.attr in COMMUTATIVE:
        op.args = (b, a)
        a, b = op.args
    if a.kind == "slot" and b.kind == "const" and op.attr == "add":
        return Op("slot", attr=a.attr, offset=a.offset + signed(b.attr), location=op.location)
    return identity(op.attr, a, b, op.size)


def _fold_extension(op: Op) -> Op | None:
    (value,) = op.args
    if value.kind == "const":
        bits = value.attr & ((1 << op.size * 8) - 1)
        attr = signed(bits, op.size) & U64 if op.kind == "sext" else bits
        return Op("const", attr=attr, location=op.location)
    if op.kind == "zext" and _top(value) <= op.size * 8:
        return value
    if op.kind == "sext" and _top(value) < op.size * 8:
        return value
    if op.kind == "sext" and value.kind in ("load", "kread", "sext") and value.size <= op.size:
        return value if value.kind == "sext" or value.attr else None
    return None


def _top(value: Op) -> int:
    """How many low bits of a value may be set."""
    if value.kind == "zext" or (value.kind in ("load", "kread") and not value.attr):
        return value.size * 8
    if value.kind == "const":
        return int(value.attr).bit_length()
    if value.kind == "alu":
        a, b = value.args
        width = value.size * 8
        if value.attr == "rsh" and b.kind == "const":
            shift: int = b.attr & (width - 1)
            return max(0, min(width, _top(a)) - shift)
        if value.attr == "and":
            return min(_top(a), _top(b), width)
        return width
    return 64


def _fold_address(op: Op) -> None:
    """Move a constant that was added to the base into the offset."""
    base = op.args[0]
    if base.kind == "alu" and base.attr == "add" and base.size == 8 and base.args[1].kind == "const":
        offset = op.offset + signed(base.args[1].attr)
        if op.kind == "kread" or -0x8000 <= offset < 0x8000:
            op.args = (base.args[0], *op.args[1:])
            op.offset = offset


def _fold_end(block: Block) -> bool:
    """Turn a branch with one way out into a jump."""
    end = block.end
    if end.kind != "branch":
        return False
    a, b = end.args
    if end.targets[0] is end.targets[1]:
        target = end.targets[0]
    elif a.kind == "const" and b.kind == "const":
        target = end.targets[not compare(end.attr, a.attr, b.attr)]
    else:
        return False
    block.ops[-1] = Op("jump", location=end.location, targets=(target,))
    return True


def _drop_phis(function: Function) -> bool:
    """Replace phis of one value; they come from edges that were cut."""
    same: dict[Op, Op] = {}
    for block in function.blocks:
        for phi in list(block.phis()):
            args = [follow(arg, same) for arg in phi.args]
            others = [arg for arg in args if arg is not phi]
            if len({value_key(arg) for arg in others}) == 1:
                same[phi] = others[0]
                block.ops.remove(phi)
    if same:
        for block in function.blocks:
            for op in block.ops:
                op.args = tuple(follow(arg, same) for arg in op.args)
    return bool(same)
