"""The intermediate representation: operations in basic blocks.

Lowering writes to *locals* (`set`, `get`), as Python does; `ssa` then turns them into values and phis. Each
value is 64 bits in a register: narrower unsigned ones zero-extended, signed ones sign-extended.

| kind | args | what `attr`, `size`, `offset` say |
|---|---|---|
| `const` | | attr: the value, 0 to 2^64-1 |
| `map`, `map_value` | | attr: the map's name; offset into its value |
| `slot` | | attr: the Slot; offset: its address, in the stack |
| `function` | | attr: the name of a subprogram, for its address |
| `context` | | what the program runs on (r1 at entry); its memory doesn't change |
| `argument` | | attr: which argument of the subprogram, from 0 |
| `get`, `set` | none / value | attr: the Local |
| `phi` | one a predecessor | |
| `alu` | a, b | attr: operation (`add`, `rsh`, …); size: 4 or 8 bytes |
| `zext`, `sext` | value | size: how many low bytes are kept and extended |
| `load` | base | size, offset in bytes; attr: True when signed |
| `store` | base, value | size, offset |
| `atomic` | base, value | attr: operation; size, offset |
| `kread` | base | a field of kernel memory: size, offset; attr: True when signed |
| `begin` | | attr: a Slot, whose content doesn't matter before this |
| `call` | up to five | attr: the Callee |
| `jump` | | targets: one block |
| `branch` | a, b | attr: condition; size: of the operands; targets: when true, when false |
| `branch32` | a, b | the same on the low halves of a and b |
| `exit` | value | |

The first four of them are *free*: they stand in no block, since each use can make its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Union

from pybpf.asm import KernelFunctionRef, Statement, SubprogramRef
from pybpf.source import Location

__all__ = [
    "FREE",
    "INVERSE",
    "SILENT",
    "SWAPPED",
    "TERMINATORS",
    "U64",
    "Block",
    "Callee",
    "Function",
    "Local",
    "Op",
    "Slot",
    "follow",
    "signed",
    "value_key",
]

# A helper by its name or number, a subprogram or kernel function, or statements that do as a helper does:
# they get arguments in r1 to r5, which they may change, and leave a result in r0.
Callee = Union[str, int, SubprogramRef, KernelFunctionRef, "tuple[Statement, ...]"]
U64 = (1 << 64) - 1
TERMINATORS = frozenset({"jump", "branch", "branch32", "exit"})
# Operations that give no value.
SILENT = TERMINATORS | {"store", "set", "atomic", "begin"}
FREE = frozenset({"const", "map", "map_value", "slot", "function"})
INVERSE = {
    "eq": "ne",
    "gt": "le",
    "ge": "lt",
    "sgt": "sle",
    "sge": "slt",
}
INVERSE.update({after: before for before, after in INVERSE.items()})
# Conditions when the operands change places.
SWAPPED = {"gt": "lt", "ge": "le", "sgt": "slt", "sge": "sle"}
SWAPPED.update({after: before for before, after in SWAPPED.items()})


def signed(value: int, size: int = 8) -> int:
    """The low `size` bytes of `value` as a signed number."""
    half = 1 << (size * 8 - 1)
    return ((value + half) & (2 * half - 1)) - half


class Slot:
    """Memory of `size` bytes in the stack frame; `offset` from r10 once it has its place.

    What lies in one that is written `once` stays as it is.
    """

    __slots__ = ("name", "offset", "once", "size")

    def __init__(self, size: int, name: str = "", once: bool = False) -> None:
        self.size = size
        self.name = name
        self.once = once
        self.offset = 0


class Local:
    """A variable while a program is lowered."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Op:
    """One operation, and the value that it gives."""

    __slots__ = ("args", "attr", "kind", "location", "offset", "size", "targets")

    def __init__(
        self,
        kind: str,
        args: tuple[Op, ...] = (),
        attr: Any = None,
        size: int = 8,
        offset: int = 0,
        location: Location | None = None,
        targets: tuple[Block, ...] = (),
    ) -> None:
        self.kind = kind
        self.args = args
        self.attr = attr
        self.size = size
        self.offset = offset
        self.location = location
        self.targets = targets


def follow(op: Op, same: dict[Op, Op]) -> Op:
    """What stands for an operation after all replacements in `same`."""
    while op in same:
        op = same[op]
    return op


def value_key(op: Op) -> object:
    """What two operations with equal values have in common."""
    return (op.kind, op.attr, op.offset) if op.kind in FREE else op


class Block:
    """Operations that run one after another; the last one is a terminator."""

    __slots__ = ("name", "ops", "preds")

    def __init__(self, name: str) -> None:
        self.name = name
        self.ops: list[Op] = []
        self.preds: list[Block] = []

    @property
    def terminated(self) -> bool:
        return bool(self.ops) and self.ops[-1].kind in TERMINATORS

    @property
    def end(self) -> Op:
        return self.ops[-1]

    def phis(self) -> Iterator[Op]:
        for op in self.ops:
            if op.kind != "phi":
                return
            yield op


class Function:
    """A BPF program, or one of its subprograms: its blocks, the entry first."""

    __slots__ = ("blocks", "is_subprogram", "name")

    def __init__(self, name: str, is_subprogram: bool = False) -> None:
        self.name = name
        self.is_subprogram = is_subprogram
        self.blocks: list[Block] = []

    def order(self) -> None:
        """Put the blocks in reverse post-order, drop those out of reach, and find predecessors."""
        found: list[Block] = []
        seen: set[Block] = set()
        stack = [(self.blocks[0], iter(reversed(self.blocks[0].end.targets)))]
        seen.add(self.blocks[0])
        while stack:
            block, targets = stack[-1]
            for target in targets:
                if target not in seen:
                    seen.add(target)
                    stack.append((target, iter(reversed(target.end.targets))))
                    break
            else:
                found.append(block)
                stack.pop()
        self.blocks = found[::-1]
        before = {block: block.preds for block in self.blocks}
        for block in self.blocks:
            block.preds = []
        for block in self.blocks:
            for target in block.end.targets:
                target.preds.append(block)
        for block in self.blocks:
            if block.preds != before[block]:
                _realign_phis(block, before[block])

    def __str__(self) -> str:
        names: dict[Op, str] = {}
        lines = [f"{self.name}:"]
        for block in self.blocks:
            for op in block.ops:
                if op.kind not in SILENT:
                    names[op] = f"%{len(names)}"
        for block in self.blocks:
            lines.append(f"  {block.name}:")
            lines.extend(f"    {_text(op, names)}" for op in block.ops)
        return "\n".join(lines)


def _realign_phis(block: Block, before: list[Block]) -> None:
    """Keep each phi's arguments beside the predecessors that they come from."""
    for phi in block.phis():
        by_block = dict(zip(before, phi.args))
        phi.args = tuple(by_block[pred] for pred in block.preds)


def _text(op: Op, names: dict[Op, str]) -> str:
    words = [op.kind if op.kind != "alu" else op.attr]
    if op.kind in ("load", "store", "kread", "atomic", "zext", "sext", "alu", "branch"):
        words[0] += str(op.size * 8)
    if op.kind in ("call", "atomic", "branch", "branch32"):
        words.append(getattr(op.attr, "name", "asm" if isinstance(op.attr, tuple) else str(op.attr)))
    elif op.kind in ("load", "kread") and op.attr:
        words.append("signed")
    elif op.kind == "argument":
        words.append(str(op.attr))
    elif op.kind in ("get", "set", "begin"):
        words.append(op.attr.name)
    words.extend(_free(arg) if arg.kind in FREE else names.get(arg, "%?") for arg in op.args)
    if op.offset:
        words.append(f"{op.offset:+}")
    words.extend(target.name for target in op.targets)
    text = " ".join(words)
    return text if op.kind in SILENT else f"{names[op]} = {text}"


def _free(op: Op) -> str:
    if op.kind == "const":
        return str(signed(op.attr))
    name = op.attr.name if op.kind == "slot" else op.attr
    return f"{op.kind}[{name}]" + (f"{op.offset:+}" if op.offset else "")
