"""Spilling: a value that gets no register is kept in the stack, and loaded again where it is used."""

from __future__ import annotations

from pybpf.codegen.ir import TERMINATORS, Block, Function, Op, Slot

__all__ = ["spill"]


def spill(function: Function, victim: Op, at_each_use: bool) -> set[Op]:
    """Store a value once, and load it again after each call, or, if need be, at each use.

    What came from a slot that is written only once needs no store. Returns the values that take its place.
    """
    bound = _makes_address(function, victim) and any(victim in block.end.args for block in function.blocks)
    source = victim.args[0] if victim.kind == "load" else victim
    kept = source.kind == "slot" and source.attr.once and not bound
    place = source if kept else Op("slot", attr=Slot(8, "spill", once=True))
    load = victim if kept else Op("load", (place,), False, location=victim.location)
    if kept:
        for block in function.blocks:
            block.ops = [op for op in block.ops if op is not victim]
    reloads = _reload(function, victim, load, at_each_use)
    if not kept:
        _store(function, victim, place, reloads, bound)
    return {victim}.union(*reloads.values())


def _makes_address(function: Function, value: Op) -> bool:
    """Whether a value is part of an address, or given to a helper: then the verifier asks for its bounds."""
    derived, before = {value}, 0
    while len(derived) > before:
        before = len(derived)
        for block in function.blocks:
            for op in block.ops:
                if derived.isdisjoint(op.args):
                    continue
                if op.kind == "call" or (op.kind in ("load", "store", "atomic") and op.args[0] in derived):
                    return True
                if op.kind in ("alu", "zext", "sext", "copy", "phi"):
                    derived.add(op)
    return False


def _reload(function: Function, victim: Op, load: Op, at_each_use: bool) -> dict[Block, list[Op]]:
    """Replace the uses of a value by those of copies of `load`, which are returned by their blocks."""
    reloads: dict[Block, list[Op]] = {}

    def reload(block: Block) -> Op:
        op = Op(load.kind, load.args, load.attr, load.size, load.offset, load.location)
        reloads.setdefault(block, []).append(op)
        return op

    at_end: dict[Block, Op | None] = {}
    above: Block | None = None
    for block in function.blocks:
        # What was at hand in the block above still is, when that is the only way to here.
        at_hand = at_end[above] if above is not None and block.preds == [above] else None
        ops: list[Op] = []
        for op in block.ops:
            if victim in op.args and op.kind != "phi":
                if at_hand is None:
                    at_hand = reload(block)
                    ops.append(at_hand)
                op.args = tuple(at_hand if arg is victim else arg for arg in op.args)
                if at_each_use:
                    at_hand = None
            ops.append(op)
            if op.kind == "call":
                at_hand = None
            if op is victim and not at_each_use:
                at_hand = op
        block.ops = ops
        at_end[block], above = at_hand, block
    for block in function.blocks:
        for phi in block.phis():
            for index, (pred, arg) in enumerate(zip(block.preds, phi.args)):
                if arg is victim:
                    value = at_end[pred]
                    if value is None:
                        value = reload(pred)
                        pred.ops.insert(len(pred.ops) - (pred.ops[-1].kind in TERMINATORS), value)
                    phi.args = (*phi.args[:index], value, *phi.args[index + 1 :])
    return reloads


def _store(function: Function, victim: Op, place: Op, reloads: dict[Block, list[Op]], bound: bool) -> None:
    """Store a value where it is made, or after it was compared.

    Of what lies in the stack, the verifier forgets what a comparison of the register tells it (before 6.8).
    So a value with bounds is stored when they are known, and again after each comparison.
    """
    home = next(block for block in function.blocks if victim in block.ops)
    wanted = _wanted(home, set(reloads))
    short = {victim}.union(*reloads.values())
    late = victim in home.end.args and home not in reloads
    late = late and (bound or sum(target in wanted for target in set(home.end.targets)) == 1)
    for block in list(function.blocks):
        compared = [arg for arg in block.end.args if arg in short]
        if compared and (bound or (late and block is home)):
            for target in dict.fromkeys(block.end.targets):
                if target in wanted:
                    _store_between(function, block, target, _stores(place, compared[0]))
    if not late:
        after = home.ops.index(victim) + 1
        while home.ops[after].kind == "phi":
            after += 1
        home.ops[after:after] = _stores(place, victim)


def _wanted(home: Block, reloading: set[Block]) -> set[Block]:
    """The blocks at whose beginning a value that is made in `home` has to lie in the stack."""
    wanted = reloading - {home}
    work = list(wanted)
    while work:
        for pred in work.pop().preds:
            if pred is not home and pred not in wanted:
                wanted.add(pred)
                work.append(pred)
    return wanted


def _stores(place: Op, value: Op) -> list[Op]:
    begin = Op("begin", attr=place.attr, location=value.location)
    return [begin, Op("store", (place, value), location=value.location)]


def _store_between(function: Function, block: Block, target: Block, ops: list[Op]) -> None:
    """Do something on the way from a block to another."""
    after = function.blocks.index(block) + 1
    if target.preds == [block] and function.blocks[after : after + 1] == [target]:
        target.ops[:0] = ops
        return
    edge = Block(f"{block.name}_{target.name}")
    edge.ops = [*ops, Op("jump", location=block.end.location, targets=(target,))]
    edge.preds = [block]
    block.end.targets = tuple(edge if each is target else each for each in block.end.targets)
    target.preds = [edge if pred is block else pred for pred in target.preds]
    function.blocks.insert(after, edge)
