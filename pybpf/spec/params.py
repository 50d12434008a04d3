"""Parameters of a program: an option on the command line, a constant in the bytecode.

For a portable target a parameter is a variable in `.rodata`, which can be set when the object is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable, NamedTuple

from pybpf.errors import UsageError, near
from pybpf.spec.layout import CString, Int, Layout, boolean

__all__ = ["Choice", "Flag", "Option", "Param", "Sampling", "Selected", "table"]


class Option(NamedTuple):
    """How a person sets a parameter: `parse` makes its value of the text after `name`."""

    name: str
    metavar: str
    help: str
    parse: Callable[[str], Any]


class Param:
    """An option `--name` whose value is a `layout`: an `Int`, or a `CString[n]` for text.

    A program compares with `unset` (the default) to see whether a filter is off. `keeps` says which events
    such a filter lets through, if it's one of a field: `"proc.pid=="` those whose field is the value,
    `"delta_us>"` those whose field is more, or the same.
    """

    def __init__(
        self, name: str, layout: Layout, default: Any, help: str, *, metavar: str = "", keeps: str = ""
    ) -> None:
        self.name = name
        self.option = "--" + name.replace("_", "-")
        self.layout = layout
        self.default = default
        self.help = help
        self.metavar = metavar or name.upper()
        self.keeps = keeps
        self.fixed = False

    @property
    def options(self) -> tuple[Option, ...]:
        """The options that set it, of which a person gives one."""
        return (Option(self.option, self.metavar, self.help, self.parse),)

    def resolve(self, value: Any) -> Any:
        """The value to lower for, on this host, where a program gives `value`. Raises UsageError."""
        return value

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
    """An option `--name` without a value: False when it isn't given, True when it is.

    One that is `fixed` decides at build time, for a portable target too.
    """

    def __init__(self, name: str, help: str, *, fixed: bool = False) -> None:
        super().__init__(name, boolean, False, help)
        self.fixed = fixed

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
    """What a Choice gives for `column`, once it is known which rows were chosen."""

    choice: Choice
    column: str

    @property
    def params(self) -> tuple[Param, ...]:
        """The parameters that it depends on."""
        return (self.choice,)

    def value(self, values: Mapping[str, Any]) -> Any:
        """What it is in a probe: a cell, or where a choice is of several the cells that aren't empty."""
        cells = self._cells(values)
        return cells if self.choice.several else cells[0] if cells else None

    def text(self, values: Mapping[str, Any]) -> str:
        """What a probe is attached to when parameters have these values; empty for nothing."""
        return ",".join(self._cells(values))

    def _cells(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        rows = (self.choice.rows[name] for name in values[self.choice.name].split(","))
        cells = (row.get(self.column) for row in rows)
        return tuple(dict.fromkeys(cell for cell in cells if cell is not None))


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

    With `several` it takes more than one, with commas between, and in a probe a column is the tuple of its
    cells in these rows, but for empty ones. A choice decides at build time, for a portable target too: it
    may change which functions a probe attaches to.
    """

    def __init__(
        self,
        name: str,
        rows: Mapping[str, Mapping[str, Any]],
        default: str,
        help: str,
        *,
        several: bool = False,
        metavar: str = "",
    ) -> None:
        super().__init__(name, CString(64), default, help, metavar=metavar)
        self.rows = rows
        self.several = several

    def __getattr__(self, column: str) -> Selected:
        rows = self.__dict__.get("rows")
        if rows and any(column in row for row in rows.values()):
            return Selected(self, column)
        raise AttributeError(f"{type(self).__name__} has no column {column!r}")

    def parse(self, text: str) -> Any:
        names = dict.fromkeys(text.split(",") if self.several else [text])
        for name in names:
            if name not in self.rows:
                known = ", ".join(self.rows)
                raise UsageError(
                    f"{self.option} {name!r} is not known{near(name, self.rows)}; it is one of {known}"
                )
        return ",".join(names)

    def resolve(self, value: Any) -> Any:
        return self.parse(value)
