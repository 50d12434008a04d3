"""Conditions that the kernel can test: by the parameters of a program that do the same.

A parameter says which events it keeps: `Param(..., keeps="proc.pid==")`. It needs to keep no fewer than the
condition does, which is tested again on what comes out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pybpf.gadget.conditions import Condition
from pybpf.spec import Int
from pybpf.spec.params import Param

__all__ = ["push", "unmet"]


def push(
    conditions: Iterable[Condition], params: Iterable[Param], given: Mapping[str, Any]
) -> dict[str, tuple[Condition, Any]]:
    """The parameters to set, by name: for which condition, and to what. Those `given` are left alone."""
    found: dict[str, tuple[Condition, Any]] = {}
    for param in params:
        for condition in conditions:
            value = _value(param, condition)
            if value is None or param.name in given or value == param.default:
                continue
            if param.name not in found or value > found[param.name][1]:
                found[param.name] = condition, value
    return found


def unmet(
    conditions: Iterable[Condition], params: Iterable[Param], values: Mapping[str, Any]
) -> list[tuple[Condition, Param]]:
    """Conditions that no event meets, since a parameter keeps only what is larger."""
    return [
        (condition, param)
        for param in params
        for condition in conditions
        if param.keeps == f"{condition.shown.path}>" and condition.op in ("<", "<=", "==")
        if int(condition.value) - (condition.op == "<") < values.get(param.name, param.default)
    ]


def _value(param: Param, condition: Condition) -> Any:
    """What a parameter is to be for a condition; None if it can't be set so."""
    path = condition.shown.path
    if param.keeps == f"{path}==" and condition.op == "==":
        if isinstance(param.layout, Int):
            return _within(param.layout, condition.value)
        raw = str(condition.value).encode("utf-8", "surrogateescape")
        return raw if raw and len(raw) < param.layout.size and b"\0" not in raw else None
    if param.keeps == f"{path}>" and condition.op in (">", ">=", "==") and isinstance(param.layout, Int):
        return _within(param.layout, int(condition.value) - (condition.op != ">"))
    return None


def _within(layout: Int, value: Any) -> int | None:
    return value if layout.minimum <= value <= layout.maximum else None
