"""Short arms: of two ways to where paths meet, one that only brings constants needs no code of its own.

if c goto other; A; goto join; other: r1 = 0; join: …   becomes   r1 = 0; if c goto join; A; join: …
"""

from __future__ import annotations

from pybpf.codegen.ir import FREE, Block, Function, Op

__all__ = ["shorten_arms"]


def shorten_arms(function: Function, registers: dict[Op, int]) -> None:
    """Put the constants of an empty block before the branch to it, where their registers are free."""
    for arm in list(function.blocks):
        if len(arm.ops) == 1 and arm.end.kind == "jump" and len(arm.preds) == 1:
            constants = _constants(arm, registers)
            if constants and _are_free(arm, {registers[phi] for phi in constants}, registers):
                _shorten(function, arm, constants, registers)


def _constants(arm: Block, registers: dict[Op, int]) -> list[Op]:
    """The phis for which `arm` brings constants, if it does nothing else."""
    target = arm.end.targets[0]
    index = target.preds.index(arm)
    found = []
    for phi in target.phis():
        value = phi.args[index]
        if value.kind == "const":
            found.append(phi)
        elif registers.get(value) != registers[phi]:
            return []
    return found


def _are_free(arm: Block, wanted: set[int], registers: dict[Op, int]) -> bool:
    """Whether nobody looks at the `wanted` registers on the other way, nor in the branch before both."""
    (above,) = arm.preds
    target = arm.end.targets[0]
    others = [block for block in above.end.targets if block is not arm]
    if len(others) != 1 or others[0].preds != [above] or others[0].end.targets != (target,):
        return False
    (other,) = others
    index = target.preds.index(other)
    made = set(other.ops)
    looked_at = [*above.end.args, *(arg for op in other.ops if op.kind != "phi" for arg in op.args)]
    looked_at += [phi.args[index] for phi in target.phis()]
    return not any(registers[arg] in wanted for arg in looked_at if arg.kind not in FREE and arg not in made)


def _shorten(function: Function, arm: Block, constants: list[Op], registers: dict[Op, int]) -> None:
    (above,) = arm.preds
    target = arm.end.targets[0]
    index = target.preds.index(arm)
    for phi in constants:
        copy = Op("copy", (phi.args[index],), location=arm.end.location)
        registers[copy] = registers[phi]
        above.ops.insert(-1, copy)
        phi.args = (*phi.args[:index], copy, *phi.args[index + 1 :])
    above.end.targets = tuple(target if block is arm else block for block in above.end.targets)
    target.preds[index] = above
    function.blocks.remove(arm)
