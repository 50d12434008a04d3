"""Parameters of a program: an option on the command line, a constant in the bytecode.

For a portable target a parameter is a variable in `.rodata`, which can be set when the object is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pybpf.dsl.types import boolean
from pybpf.errors import UsageError, near
from pybpf.spec import CString, Function, Int, Layout, functions

__all__ = ["Choice", "Flag", "Param", "Sampling", "Selected", "table"]


class Param:
    """An option `--name` whose value is a `layout`: an `Int`, or a `CString[n]` for text.

    A program compares with `unset` (the default) to see whether a filter is off.
    """

    def __init__(self, name: str, layout: Layout, default: Any, help: str, *, metavar: str = "") -> None:
        self.name = name
        self.option = "--" + name.replace("_", "-")
        self.layout = layout
        self.default = default
        self.help = help
        self.metavar = metavar or name.upper()

    def parse(self, text: str) -> Any:
        """The value that a person wrote. Raises UsageError."""
        if isinstance(self.layout, Int):
            try:
                value = int(text, 0)
            except ValueError:
                raise UsageError(f"{self.option} takes a whole number, not {text!r}") from None
            if not self.layout.minimum <= value <= self.layout.maximum:
                raise UsageError(
                    f"{self.option} takes a number from {self.layout.minimum} to"
                    f" {self.layout.maximum}, not {text}"
                )
            return value
        data = text.encode("utf-8", "surrogateescape")
        if len(data) >= self.layout.size:
            raise UsageError(
                f"{self.option} takes at most {self.layout.size - 1} bytes: {text!r} has {len(data)}"
            )
        return data

    def pack(self, value: Any) -> bytes:
        """The value as it lies in memory."""
        if isinstance(self.layout, Int):
            return int(value).to_bytes(self.layout.size, "little", signed=self.layout.signed)
        return bytes(value).ljust(self.layout.size, b"\0")


class Flag(Param):
    """An option `--name` without a value: False when it isn't given, True when it is."""

    def __init__(self, name: str, help: str) -> None:
        super().__init__(name, boolean, False, help)

    def parse(self, text: str) -> Any:
        return True


def table(text: str) -> dict[str, dict[str, Any]]:
    """The rows of a table in text, each with its name at its start.

    A line that begins with `-` names the columns of the lines after it. In a cell, `-` is None, what begins
    with a digit a number, all else text.
    """
    rows: dict[str, dict[str, Any]] = {}
    columns: list[str] = []
    for line in filter(str.strip, text.splitlines()):
        name, *cells = line.split()
        if name == "-":
            columns = cells
        else:
            rows.setdefault(name, {}).update(zip(columns, map(_cell, cells)))
    return rows


def _cell(text: str) -> Any:
    if text == "-":
        return None
    return int(text, 0) if text[0].isdigit() else text


class Selected(NamedTuple):
    """What a Choice gives for `column`, once it is known which row was chosen."""

    choice: Choice
    column: str

    @property
    def params(self) -> tuple[Param, ...]:
        """The parameters that it depends on."""
        return (self.choice,)

    def text(self, values: Mapping[str, Any]) -> str:
        """What a probe is attached to when parameters have these values; empty for nothing."""
        return self.choice.rows[values[self.choice.name]].get(self.column) or ""


class Sampling(NamedTuple):
    """An event, and how often it makes a probe run: `unit` is `freq` (a second) or `period` (every n)."""

    event: str
    unit: str
    rate: int | Param

    @property
    def params(self) -> tuple[Param, ...]:
        """The parameters that it depends on."""
        return (self.rate,) if isinstance(self.rate, Param) else ()

    def text(self, values: Mapping[str, Any]) -> str:
        """The event as perf writes it: `cpu-clock/freq=99/`."""
        rate = values[self.rate.name] if isinstance(self.rate, Param) else self.rate
        return f"{self.event}/{self.unit}={rate}/"


class Choice(Param):
    """An option that picks one of `rows`; `choice.column` stands for that column of the row picked.

    A choice decides at build time, for a portable target too: it may change which functions a probe
    attaches to.
    """

    def __init__(self, name: str, rows: Mapping[str, Mapping[str, Any]], default: str, help: str) -> None:
        super().__init__(name, CString(64), default, help)
        self.rows = rows

    def __getattr__(self, column: str) -> Selected:
        rows = self.__dict__.get("rows")
        if rows and any(column in row for row in rows.values()):
            return Selected(self, column)
        raise AttributeError(f"{type(self).__name__} has no column {column!r}")

    def parse(self, text: str) -> Any:
        if text not in self.rows:
            known = ", ".join(self.rows)
            raise UsageError(
                f"{self.option} {text!r} is not known{near(text, self.rows)}; it is one of {known}"
            )
        return text

    def functions(self, column: str, value: str) -> tuple[Function, ...]:
        """The functions to attach to that a column's text names."""
        return functions(self.rows[value].get(column, ""))
