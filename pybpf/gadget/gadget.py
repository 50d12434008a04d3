"""A program that people run, as its file declares it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pybpf.errors import UsageError

if TYPE_CHECKING:
    from pybpf.dsl import Map

__all__ = ["FILTER_MAP", "Column", "Gadget", "column"]


# The map of the mount namespaces that are wanted.
FILTER_MAP = "gadget_mntns_filter_map"


class Column(NamedTuple):
    """A column of the table: its header, and the field of the event that it shows, by its dotted name."""

    header: str
    field: str


class Gadget:
    """What a program file declares beside its probes: its name, and the columns that people see.

    `columns` has a word a column: a field of the event (`delta_us`), or `field:header` (`proc.pid:process`).
    A program that counts in the kernel has no events: `report` is what it shows at its end, a histogram, or a
    map of counts by stack traces. One that shows events may count instead when its parameter `hist` is set:
    then `hist` is the name of the histogram to show. `inflight` names the map that holds what has begun and
    not ended, each with a time `ts` from ktime_get_ns() (or its value is that), for `run --inflight`. The
    probes, maps and parameters are found in the file; its docstring's first line says what it does.
    """

    def __init__(
        self,
        name: str,
        *,
        columns: str = "",
        report: Map | None = None,
        hist: str = "",
        inflight: str = "",
    ) -> None:
        self.name = name
        self.report = report
        self.hist = hist
        self.inflight = inflight
        self.columns = tuple(column(word) for word in columns.split())


def column(word: str) -> Column:
    """The column that a word says: `FIELD` or `FIELD:HEADER`. Raises UsageError."""
    field, colon, header = word.partition(":")
    if bool(colon) != bool(header) or not all(part.isidentifier() for part in field.split(".")):
        raise UsageError(f"{word!r} is no column: write a field's name, such as proc.comm, or FIELD:HEADER")
    return Column((header or field.rpartition(".")[2]).upper(), field)
