"""Records: the structs of maps and events, declared as a class with annotations."""

from __future__ import annotations

import sys
from typing import ClassVar

from pybpf.dsl.types import layout_of
from pybpf.spec import Struct

__all__ = ["Record"]


class Record:
    """A struct, laid out as C does: `class Key(Record): tid: u32; op: u32`.

    `Key.layout` is its `pybpf.spec.Struct`. In a probe, `Key(tid=1, op=2)` makes one; members that are not
    given are 0.
    """

    layout: ClassVar[Struct]

    def __init_subclass__(cls) -> None:
        names = {**sys._getframe(1).f_globals, **sys._getframe(1).f_locals}
        members = {**cls.__annotations__}
        members.pop("layout", None)
        cls.layout = Struct(
            cls.__name__,
            [
                (name, layout_of(annotation, names, f"{cls.__name__}.{name}"))
                for name, annotation in members.items()
            ],
        )
