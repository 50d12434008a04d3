"""From locals to values: each `get` becomes the value that was set, or a phi where paths meet.

The algorithm is that of Braun et al., "Simple and Efficient Construction of Static Single Assignment Form"
(2013), on a finished control flow graph. A local that is not set on a path is 0 there: lowering has seen to
it that no author can read such a value.
"""

from __future__ import annotations

from pybpf.codegen.ir import Block, Function, Local, Op, follow

__all__ = ["to_ssa"]


class _Reader:
    def __init__(self, function: Function) -> None:
        self.entry = function.blocks[0]
        self.at_end: dict[tuple[Block, Local], Op] = {}
        self.at_start: dict[tuple[Block, Local], Op] = {}
        self.phis: list[tuple[Op, Block, Local]] = []

    def end(self, block: Block, local: Local) -> Op:
        value = self.at_end.get((block, local))
        return self.start(block, local) if value is None else value

    def start(self, block: Block, local: Local) -> Op:
        value = self.at_start.get((block, local))
        if value is not None:
            return value
        # Walk up through single predecessors without recursing: chains of blocks can be long.
        chain = []
        while value is None:
            chain.append(block)
            if block is self.entry:
                value = Op("const", attr=0)
            elif len(block.preds) == 1:
                block = block.preds[0]
                value = self.at_end.get((block, local)) or self.at_start.get((block, local))
            else:
                value = Op("phi", attr=local)
                self.phis.append((value, block, local))
        for visited in chain:
            self.at_start[visited, local] = value
        return value


def to_ssa(function: Function) -> None:
    """Replace all `get` and `set` by values and phis."""
    function.order()
    reader = _Reader(function)
    for block in function.blocks:
        for op in block.ops:
            if op.kind == "set":
                reader.at_end[block, op.attr] = op.args[0]
    same: dict[Op, Op] = {}
    for block in function.blocks:
        current: dict[Local, Op] = {}
        for op in list(block.ops):
            if op.kind == "set":
                current[op.attr] = op.args[0]
            elif op.kind == "get":
                same[op] = current.get(op.attr) or reader.start(block, op.attr)
    for phi, block, local in reader.phis:  # grows while arguments are read
        phi.args = tuple(reader.end(pred, local) for pred in block.preds)
    _drop_trivial([phi for phi, _, _ in reader.phis], same)
    for phi, block, _ in reader.phis:
        if phi not in same:
            block.ops.insert(0, phi)
    for block in function.blocks:
        block.ops = [op for op in block.ops if op.kind not in ("get", "set")]
        for op in block.ops:
            op.args = tuple(follow(arg, same) for arg in op.args)


def _drop_trivial(phis: list[Op], same: dict[Op, Op]) -> None:
    """A phi of one value (and itself) is that value."""
    changed = True
    while changed:
        changed = False
        for phi in phis:
            if phi in same:
                continue
            values = {follow(arg, same) for arg in phi.args} - {phi}
            if len(values) == 1:
                same[phi] = values.pop()
                changed = True
