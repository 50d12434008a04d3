"""Jump threading: an edge into a block that only tests what is already known goes straight to the answer.

It runs before `ssa`, while variables are still locals, so that moving an edge needs no repair. With it, an
inlined function's `return True` and the second null check of a looked-up value cost nothing.
"""

from __future__ import annotations

from pybpf.codegen.fold import compare
from pybpf.codegen.ir import INVERSE, Block, Function, Op

__all__ = ["thread_jumps"]


def thread_jumps(function: Function) -> None:
    """Redirect every edge whose branch is decided by the way it was reached."""
    function.order()
    changed = True
    while changed:
        changed = False
        escaping = _escaping(function)
        for block in function.blocks:
            if not _only_tests(block, escaping):
                continue
            for pred in block.preds:
                target = _decided(block, pred)
                if target is not None and target is not block:
                    edge = _copy(block, target)
                    pred.end.targets = tuple(edge if t is block else t for t in pred.end.targets)
                    changed = True
        if changed:
            function.order()


def _escaping(function: Function) -> set[Op]:
    """Values that are used outside the block that makes them."""
    found: set[Op] = set()
    for block in function.blocks:
        own = set(block.ops)
        found.update(arg for op in block.ops for arg in op.args if arg not in own)
    return found


def _only_tests(block: Block, escaping: set[Op]) -> bool:
    """Whether a block does nothing but read and set locals on the way to its end."""
    return (
        block.end.targets != (block,)
        and block.end.kind != "exit"
        and all(op.kind in ("get", "set") and op not in escaping for op in block.ops[:-1])
    )


def _copy(block: Block, target: Block) -> Block:
    """A way around `block` to `target`: `target` itself, or a block with what `block` sets."""
    if not any(op.kind == "set" for op in block.ops):
        return target
    edge = Block(f"{block.name}_{target.name}")
    same: dict[Op, Op] = {}
    for op in block.ops[:-1]:
        args = tuple(same.get(arg, arg) for arg in op.args)
        same[op] = Op(op.kind, args, op.attr, op.size, op.offset, op.location)
        edge.ops.append(same[op])
    edge.ops.append(Op("jump", location=block.end.location, targets=(target,)))
    return edge


def _decided(block: Block, pred: Block) -> Block | None:
    """Where `block` will go when it is entered from `pred`, if that is known."""
    if block.end.kind == "jump":
        return block.end.targets[0] if len(block.ops) == 1 else None
    left, right = block.end.args
    if right.kind != "const" or pred.end.targets.count(block) != 1:
        return None
    value = _assigned(left, block)
    successor, current = block, pred
    seen = set()
    while current not in seen:
        seen.add(current)
        value = _assigned(value, current)
        if value.kind == "const":
            return block.end.targets[not compare(block.end.attr, value.attr, right.attr)]
        known = _implied(block.end, value, current, successor)
        if known is not None:
            return block.end.targets[not known]
        if len(current.preds) != 1:
            return None
        successor, current = current, current.preds[0]
    return None


def _assigned(value: Op, block: Block) -> Op:
    """What a read of a local gives at the end of `block`, followed through assignments in it."""
    for op in reversed(block.ops):
        if value.kind != "get":
            break
        if op.kind == "set" and op.attr is value.attr:
            value = op.args[0]
    return value


def _implied(test: Op, value: Op, block: Block, successor: Block) -> bool | None:
    """Whether `test` holds, when `block` ends with the same comparison and went to `successor`."""
    end = block.end
    if end.kind != "branch" or end.targets[0] is end.targets[1]:
        return None
    left, right = end.args
    same = left is value or (
        left.kind == value.kind == "get" and _assigned(left, block) is left and left.attr is value.attr
    )
    if not same or right.kind != "const" or right.attr != test.args[1].attr:
        return None
    holds = end.targets[0] is successor
    if end.attr == test.attr:
        return holds
    return not holds if INVERSE.get(end.attr) == test.attr else None
