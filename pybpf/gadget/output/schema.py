"""What a program's JSON looks like, as a JSON Schema (draft 2020-12): for those who read it by a program."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any

from pybpf.gadget.fields import Shown
from pybpf.spec import CString, Int

__all__ = ["schema"]

_LOST = {
    "title": "events that were lost",
    "type": "object",
    "properties": {
        "kind": {"const": "lost"},
        "cpu": {"type": "integer", "minimum": 0},
        "lost": {"type": "integer", "minimum": 1, "description": "since the last record of this kind"},
        "total": {"type": "integer", "minimum": 1},
        "position": {"type": "integer", "minimum": 0, "description": "how many events came before"},
    },
    "required": ["cpu", "kind", "lost", "position", "total"],
    "additionalProperties": False,
}


def schema(name: str, fields: Iterable[Shown]) -> dict[str, Any]:
    """The schema of one line of `-o json`: an event with these fields, or word of events that were lost."""
    event = _object()
    event["title"] = f"an event of {name}"
    for shown in fields:
        *parents, last = shown.path.split(".")
        place, required = event, [event]
        for parent in parents:
            place = place["properties"].setdefault(parent, _object())
            required.append(place)
        place["properties"][last] = _value(shown)
        if not shown.optional:
            for holder, member in zip(required, [*parents, last]):
                if member not in holder["required"]:
                    holder["required"].append(member)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "anyOf": [event, _LOST]}


def _object() -> dict[str, Any]:
    return {"type": "object", "properties": {}, "required": [], "additionalProperties": False}


def _value(shown: Shown) -> dict[str, Any]:
    layout = shown.layout
    if shown.text is None:
        if shown.number is not None or not isinstance(layout, Int):
            return {"type": "integer"}
        return {"type": "integer", "minimum": layout.minimum, "maximum": layout.maximum}
    if isinstance(layout, CString) or not isinstance(layout, Int):
        return {"type": "string"}
    if layout.names is not None and issubclass(layout.names, enum.IntEnum):
        # What has no name is its number.
        names = list(layout.names.__members__)
        return {"type": "string", "anyOf": [{"enum": names}, {"pattern": "^-?[0-9]+$"}]}
    if layout.role == "timestamp":
        return {"type": "string", "format": "date-time"}
    return {"type": "string"}
