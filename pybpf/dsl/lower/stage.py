"""What a Python object stands for in a probe."""

from __future__ import annotations

from typing import Any

from pybpf.dsl.context import Context
from pybpf.dsl.memory import Memory
from pybpf.dsl.places import load
from pybpf.dsl.rodata import RODATA
from pybpf.dsl.text import ConstantText, Text
from pybpf.spec import CString
from pybpf.spec.params import Choice, Param, Selected

__all__ = ["staged"]


def staged(cx: Context, value: Any) -> Any:
    """Parameters become what a probe can use; all else, maps too, is itself."""
    if isinstance(value, Selected):
        return value.value(cx.params)
    is_variable = isinstance(value, Param) and not isinstance(value, Choice)
    return _parameter(cx, value) if is_variable else value


def _parameter(cx: Context, param: Param) -> Any:
    """A constant; for a portable target a variable in `.rodata`."""
    if cx.target.portable and not param.fixed:
        base = cx.build.map_value(RODATA, cx.rodata.params[param.name])
        if isinstance(param.layout, CString):
            return Text(param.layout.size, at=base)
        return load(cx, Memory(base), param.layout)
    value = cx.params[param.name]
    return ConstantText(value, param.layout.size) if isinstance(param.layout, CString) else value
