"""What a module declares: its probes, and the maps and parameters that they can reach."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from types import CodeType, ModuleType
from typing import Any, NamedTuple

from pybpf.dsl.decorators import Func, Probe
from pybpf.dsl.maps import Events, Map
from pybpf.errors import LoweringError
from pybpf.spec.params import Param, Sampling, Selected

__all__ = ["Declarations", "collect"]


class Declarations(NamedTuple):
    """A program before it is lowered. Maps are sorted by name, parameters by where they are met first."""

    name: str
    file: str
    probes: tuple[Probe, ...]
    maps: tuple[Map, ...]
    params: tuple[Param, ...]

    @property
    def events(self) -> Events | None:
        """The stream of events, if there is one."""
        return next((map for map in self.maps if isinstance(map, Events)), None)


def collect(module: ModuleType) -> Declarations:
    """All that a module declares. Raises LoweringError when two probes, maps or parameters have one name."""
    probes = tuple(value for value in vars(module).values() if isinstance(value, Probe))
    for name, count in Counter(probe.name for probe in probes).items():
        if count > 1:
            raise LoweringError(
                f"{module.__name__} has {count} probes of the name {name!r}: give each its own"
            )
    maps: dict[str, Map] = {}
    params: dict[str, Param] = {}
    for found in _reachable([*vars(module).values(), *probes]):
        table: dict[str, Any] = maps if isinstance(found, Map) else params
        if table.setdefault(found.name, found) is not found:
            both = (found, table[found.name])
            names = [name for name, value in vars(module).items() if any(value is each for each in both)]
            kind = "maps" if isinstance(found, Map) else "parameters"
            raise LoweringError(
                f"{module.__name__} has two {kind} of the name {found.name!r}, {' and '.join(names)}: give"
                " one of them another name"
            )
    events = [map for map in maps.values() if isinstance(map, Events)]
    if len(events) > 1:
        raise LoweringError(f"{module.__name__} has {len(events)} streams of events; there can be one")
    return Declarations(
        module.__name__,
        getattr(module, "__file__", None) or "",
        probes,
        tuple(maps[name] for name in sorted(maps)),
        tuple(params.values()),
    )


def _reachable(values: list[Any]) -> Iterator[Map | Param]:
    """Maps and parameters among values, and in what the functions among them mention."""
    seen: set[int] = set()
    while values:
        value = values.pop(0)
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, (Map, Param)):
            yield value
        elif isinstance(value, (Sampling, Selected)):
            values.extend(value.params)
        elif isinstance(value, (Func, Probe)):
            names = value.source.names()
            values.extend(names[name] for name in _mentioned(value.source.function.__code__) if name in names)
            if isinstance(value, Probe):
                values += [value.where, value.cookie, value.pid]


def _mentioned(code: CodeType) -> Iterator[str]:
    """The names that a function mentions, in its comprehensions too."""
    yield from (*code.co_names, *code.co_freevars)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _mentioned(inner)
