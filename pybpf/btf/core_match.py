"""When two types of two BTFs are the same to CO-RE."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pybpf.btf.types import MAX_DEPTH
from pybpf.errors import BtfError

if TYPE_CHECKING:
    from pybpf.btf.types import Type

__all__ = ["essential_name", "fields_fit", "kinds_fit", "matches", "types_fit"]

_COMPOSITE = ("struct", "union")


def essential_name(name: str) -> str:
    """The name without its flavour: all from the last `___` on, unless the name begins with it."""
    at = name.rfind("___")
    return name[:at] if at > 0 else name


def _names_fit(local: Type, type: Type) -> bool:
    return essential_name(local.name) == essential_name(type.name)


def _kind(type: Type) -> str:
    return "enum" if type.kind == "enum64" else type.kind


def kinds_fit(local: Type, type: Type) -> bool:
    """Whether both are of one kind; enums of 32 and of 64 bits are."""
    return _kind(local) == _kind(type)


def fields_fit(local: Type, type: Type) -> bool:
    """Whether a field of type `local` may be read where the target has `type`; its size may differ."""
    for _ in range(MAX_DEPTH):
        local, type = local.resolve(), type.resolve()
        if local.kind in _COMPOSITE and type.kind in _COMPOSITE:
            return True
        if not kinds_fit(local, type):
            return False
        if local.kind in ("fwd", "enum", "enum64"):
            return not (local.name and type.name) or _names_fit(local, type)
        if local.kind != "array":
            return local.kind in ("ptr", "int", "float")
        local, type = local.target, type.target
    raise BtfError(f"damaged BTF: the chain of types from {local.key!r} (#{local.id}) does not end")


def types_fit(local: Type, type: Type, depth: int = MAX_DEPTH) -> bool:
    """Whether `type` is what `local` stands for: of one kind, and so what pointers and prototypes lead to."""
    if depth < 0:
        raise BtfError(f"damaged BTF: the chain of types from {local.key!r} (#{local.id}) does not end")
    local, type = local.resolve(), type.resolve()
    if not kinds_fit(local, type):
        return False
    if local.kind in ("ptr", "array"):
        return types_fit(local.target, type.target, depth - 1)
    if local.kind == "func_proto":
        return _prototypes(local, type, lambda one, other: types_fit(one, other, depth - 1))
    return local.kind in ("void", *_COMPOSITE, "fwd", "enum", "enum64", "int")


def matches(local: Type, type: Type) -> bool:
    """Whether `type` has all that `local` has: members and values by name, with types that match."""
    return _Matcher().match(local, type, False, MAX_DEPTH)


def _prototypes(local: Type, type: Type, fits: Callable[[Type, Type], bool]) -> bool:
    ours, theirs = local.parameters, type.parameters
    return (
        len(ours) == len(theirs)
        and all(fits(one.type, other.type) for one, other in zip(ours, theirs))
        and fits(local.returns, type.returns)
    )


class _Matcher:
    # Pairs that are being compared match until something says otherwise: structs lead to themselves.

    def __init__(self) -> None:
        self._seen: set[tuple[int, int, bool]] = set()

    def match(self, local: Type, type: Type, behind: bool, depth: int) -> bool:
        # `behind` a pointer only names and kinds matter, and a forward declaration will do.
        if depth < 0:
            raise BtfError(f"damaged BTF: the chain of types from {local.key!r} (#{local.id}) does not end")
        local, type = local.resolve(), type.resolve()
        if (local.id, type.id, behind) in self._seen:
            return True
        self._seen.add((local.id, type.id, behind))
        if not _names_fit(local, type):
            return False
        if behind and "fwd" in (local.kind, type.kind):
            return local.key.partition(" ")[0] == type.key.partition(" ")[0]
        if not kinds_fit(local, type):
            return False
        if local.kind in ("enum", "enum64"):
            names = {essential_name(value.name) for value in type.values}
            return behind or all(essential_name(value.name) in names for value in local.values)
        if local.kind in _COMPOSITE:
            return behind or self._members(local, type, depth - 1)
        if local.kind == "int":
            return local.size == type.size and local.signed == type.signed
        if local.kind == "ptr":
            return self.match(local.target, type.target, True, depth - 1)
        if local.kind == "array":
            return local.count == type.count and self.match(local.target, type.target, behind, depth - 1)
        if local.kind == "func_proto":
            return _prototypes(local, type, lambda a, b: self.match(a, b, False, depth - 1))
        return local.kind in ("void", "fwd", "float")

    def _members(self, local: Type, type: Type, depth: int) -> bool:
        for ours in local.all_members():
            theirs = [m for m in type.all_members() if essential_name(m.name) == essential_name(ours.name)]
            if not any(self.match(ours.type, member.type, False, depth) for member in theirs):
                return False
        return True
