"""pybpf's own data as what `marshal` takes, and back: what is kept from one run to the next.

An object is its class, by module and name, and its state. Only classes of pybpf's own that are data are
taken: named tuples, layouts, parameters, gadgets. An enum is its name and members, and becomes a new one.
"""

from __future__ import annotations

import enum
import importlib
from typing import Any

from pybpf.gadget.gadget import Gadget
from pybpf.spec import Layout, Struct
from pybpf.spec.params import Param

__all__ = ["from_plain", "to_plain"]

_DATA = (Layout, Param, Gadget)
_SIMPLE = (type(None), bool, int, float, str, bytes)


def to_plain(value: Any) -> Any:
    """The value as numbers, texts, bytes, and lists that begin with what they are; TypeError for others."""
    kind = type(value)
    if kind in _SIMPLE:
        return value
    if kind is tuple:
        return ["tuple", *map(to_plain, value)]
    if kind is dict:
        return ["dict", *((to_plain(key), to_plain(each)) for key, each in value.items())]
    if isinstance(value, type) and issubclass(value, (enum.IntEnum, enum.IntFlag)):
        members = [(name, int(member)) for name, member in value.__members__.items()]
        return ["enum", value.__name__, issubclass(value, enum.IntFlag), members]
    if not kind.__module__.startswith("pybpf."):
        raise TypeError(f"{value!r} is no data of pybpf's")
    if isinstance(value, tuple):
        return ["named tuple", kind.__module__, kind.__name__, *map(to_plain, value)]
    if isinstance(value, _DATA):
        return ["object", kind.__module__, kind.__name__, *_state(value)]
    raise TypeError(f"{value!r} is no data")


def _state(value: Any) -> list[tuple[str, Any]]:
    slots = [name for each in type(value).__mro__ for name in getattr(each, "__slots__", ())]
    names = [*slots, *getattr(value, "__dict__", ())]
    # Found from the fields again.
    return [(name, to_plain(getattr(value, name))) for name in names if name != "_by_name"]


def from_plain(value: Any) -> Any:
    """What `to_plain` made it of."""
    if type(value) is not list:
        return value
    what = value[0]
    if what == "tuple":
        return tuple(map(from_plain, value[1:]))
    if what == "dict":
        return {from_plain(key): from_plain(each) for key, each in value[1:]}
    if what == "enum":
        _, name, flags, members = value
        base: Any = enum.IntFlag if flags else enum.IntEnum
        return base(name, members)
    _, module, name, *state = value
    kind: Any = getattr(importlib.import_module(module), name)
    if what == "named tuple":
        return kind._make(map(from_plain, state))
    made = kind.__new__(kind)
    for name, each in state:
        setattr(made, name, from_plain(each))
    if isinstance(made, Struct):
        made._set(made.fields)
    return made
