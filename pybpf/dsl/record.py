"""Records and unions: the structs of maps and events, declared as a class with annotations."""

from __future__ import annotations

import sys
from typing import Any, ClassVar

from pybpf.dsl import types
from pybpf.errors import LoweringError
from pybpf.spec import Layout, Struct
from pybpf.spec import Union as UnionLayout

__all__ = ["Record", "Union"]


class Record:
    """A struct, laid out as C does: `class Key(Record): tid: u32; op: u32`.

    `class Key(Record, packed=True)` has no padding. A record made from another begins with its members.
    `Key.layout` is its `pybpf.spec.Struct`. In a probe, `Key(tid=1, op=2)` makes one; members that are not
    given are 0.
    """

    layout: ClassVar[Struct]

    def __init_subclass__(cls, packed: bool = False) -> None:
        if "layout" not in vars(cls):
            cls.layout = Struct(cls.__name__, _members(cls, sys._getframe(1)), packed=packed)


class Union(Record):
    """Members that share one place: `class Address(Union): v4: u32; v6: Array[u8, 16]`.

    To set a member that is smaller than the union is to set the rest to 0.
    """

    layout = UnionLayout("Union", [])

    def __init_subclass__(cls, packed: bool = False) -> None:
        cls.layout = UnionLayout(cls.__name__, _members(cls, sys._getframe(1)))


def _members(cls: type[Record], frame: Any) -> list[tuple[str, Layout]]:
    """The members of the class that it was made from, then its own."""
    base = cls.__bases__[0]
    inherited: dict[str, Layout] = {}
    if hasattr(base, "layout"):
        inherited = {field.name: field.layout for field in base.layout.fields}
    # Before 3.10 a class without annotations has those of its base.
    own = {} if cls.__annotations__ is base.__annotations__ else cls.__annotations__
    names = {**frame.f_globals, **frame.f_locals}
    for name, annotation in own.items():
        if name in inherited:
            raise LoweringError(f"{cls.__name__}.{name} is a member of {base.__name__} already")
        inherited[name] = types.layout_of(annotation, names, f"{cls.__name__}.{name}")
    if not inherited:
        raise LoweringError(f"{cls.__name__} has no members: declare them with their types, as in tid: u32")
    return list(inherited.items())
