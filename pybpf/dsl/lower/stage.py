"""What a Python object stands for in a probe."""

from __future__ import annotations

from typing import Any

from pybpf.dsl.context import Context
from pybpf.dsl.mapops import map_value
from pybpf.dsl.maps import Map
from pybpf.dsl.params import Choice, Param, Selected
from pybpf.dsl.records import load_layout
from pybpf.dsl.text import ConstantText, Text
from pybpf.spec import CString

__all__ = ["RODATA", "staged"]

RODATA = ".rodata"


def staged(cx: Context, value: Any) -> Any:
    """Maps and parameters become what a probe can use; all else is itself."""
    if isinstance(value, Map):
        return map_value(value)
    if isinstance(value, Selected):
        return value.choice.rows[cx.params[value.choice.name]].get(value.column)
    is_variable = isinstance(value, Param) and not isinstance(value, Choice)
    return _parameter(cx, value) if is_variable else value


def _parameter(cx: Context, param: Param) -> Any:
    """A constant; for a portable target a variable in `.rodata`."""
    if cx.target.portable:
        base = cx.build.map_value(RODATA, cx.rodata[param.name])
        if isinstance(param.layout, CString):
            return Text(param.layout.size, at=base)
        return load_layout(cx, base, 0, param.layout)
    value = cx.params[param.name]
    return ConstantText(value, param.layout.size) if isinstance(param.layout, CString) else value
