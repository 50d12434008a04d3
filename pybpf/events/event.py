"""Events as objects: a class for each layout, made from the tuples of the decoder."""

from __future__ import annotations

import functools
import operator
import struct
from collections.abc import Callable
from typing import Any

from pybpf.events.decode import text
from pybpf.spec import Array, CString, Int, Layout, Struct, Union

__all__ = ["Event", "event_class"]

# Texts come again and again: the commands that run, the files that they use.
_text = functools.lru_cache(maxsize=4096)(text)


class Event(tuple):  # type: ignore[type-arg]
    """A decoded tuple whose values have names; what takes work is made when it's asked for."""

    __slots__ = ()
    _fields: tuple[str, ...] = ()

    def __repr__(self) -> str:
        members = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._fields)
        return f"{type(self).__name__}({members})"


def event_class(layout: Struct) -> type[Event]:
    """The class of a layout's events; an instance is made of a decoded tuple.

    The members have the fields' names: an Int is an int, or a member of its enum; a CString a str (a byte
    that isn't UTF-8 is a lone surrogate); an Array of Ints a tuple; a Struct has members of its own; all
    else is bytes. As a tuple, an event is its flat values, as decoded.
    """
    members: dict[str, Any] = {"__slots__": (), "_fields": tuple(field.name for field in layout.fields)}
    at = 0
    for name, member, _ in layout.fields:
        if isinstance(member, Struct) and not isinstance(member, Union):
            count = len(list(member.leaves()))
            members[name] = property(_struct(event_class(member), at, at + count))
        else:
            count = 1
            members[name] = property(_value(member, at))
        at += count
    return type(layout.name, (Event,), members)


def _struct(inner: type[Event], start: int, stop: int) -> Callable[[Event], Any]:
    return lambda event: inner(event[start:stop])


def _value(layout: Layout, at: int) -> Callable[[Event], Any]:
    if isinstance(layout, CString):
        return lambda event: _text(event[at])
    if isinstance(layout, Int) and layout.names is not None:
        names = {int(member): member for member in layout.names}
        return lambda event: names.get(event[at], event[at])
    if isinstance(layout, Array) and isinstance(layout.element, Int):
        unpack = struct.Struct(f"<{layout.count}{layout.element.format}").unpack
        return lambda event: unpack(event[at])
    return operator.itemgetter(at)
