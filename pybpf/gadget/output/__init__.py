"""Forms that events are shown in: a module each, imported when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pybpf.gadget.output.form import Form
    from pybpf.gadget.select import Selection
    from pybpf.spec import Struct

__all__ = ["FORMS", "form_of"]

# Name -> what it is, in a few words.
FORMS = {
    "columns": "a table",
    "json": "an object a line",
    "jsonpretty": "objects for people",
    "yaml": "a document an event",
    "csv": "RFC 4180",
    "none": "nothing but the summary",
    "raw": "records, each after its length",
}


def form_of(name: str, layout: Struct, shown: Selection, room: int | None = None) -> Form:
    """The form of that name, for events of a layout; `room` is a terminal's width, for a table in it."""
    if name == "columns":
        from pybpf.gadget.output.columns import Table

        return Table(shown.columns, room)
    if name in ("json", "jsonpretty"):
        from pybpf.gadget.output.json import JsonLines, JsonPretty

        return JsonLines(shown.fields) if name == "json" else JsonPretty(shown.fields)
    if name == "yaml":
        from pybpf.gadget.output.yaml import Yaml

        return Yaml(shown.fields)
    if name == "csv":
        from pybpf.gadget.output.csv import Csv

        return Csv(shown.fields)
    if name == "raw":
        from pybpf.gadget.output.raw import Raw

        return Raw(layout)
    from pybpf.gadget.output.none import Nothing

    return Nothing()
