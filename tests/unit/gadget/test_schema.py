"""The JSON Schema of events: all JSON that is shown is valid by it, and it says what it can."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybpf.cli import main
from pybpf.events import Loss
from pybpf.gadget.clock import Clock
from pybpf.gadget.fields import Shown, fields
from pybpf.gadget.output.json import JsonLines
from pybpf.gadget.output.schema import schema
from pybpf.gadget.programs import load, shipped
from pybpf.spec import Bits, CString, Int, Struct

NAMES = [name for name in shipped() if load(name).declarations.events is not None]


def layout_of(name: str) -> Struct:
    events = load(name).declarations.events
    assert events is not None
    return events.layout


def values(layout: Any) -> st.SearchStrategy[Any]:
    if isinstance(layout, Int):
        least, most = layout.minimum, layout.maximum
        if layout.role == "timestamp":
            least, most = 1, 1 << 60
        return (
            st.one_of(st.integers(0, 8), st.integers(least, most))
            if not isinstance(layout, Bits)
            else (st.integers(least, most))
        )
    return st.binary(min_size=layout.size, max_size=layout.size)


@pytest.mark.parametrize("name", NAMES)
@given(st.data())
def test_what_is_shown_is_valid(name: str, data: st.DataObject) -> None:
    layout = layout_of(name)
    known = fields(layout, Clock(), [container])
    event = tuple(data.draw(values(leaf.layout)) for leaf in layout.leaves())
    lines = JsonLines(known)
    validator = jsonschema.Draft202012Validator(schema(name, known))
    validator.validate(json.loads(lines.lines([event])))
    validator.validate(json.loads(lines.lost([Loss(0, 1, 2, 3)])))


def container(layout: Struct) -> list[Shown]:
    """What half of all processes run in."""
    index = [leaf.name for leaf in layout.leaves()].index("proc.pid")
    shown = Shown("runtime.containerName", index, CString(64), lambda pid: "web" if pid % 2 else None)
    return [shown._replace(lasting=False, optional=True)]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_schema(name: str) -> None:
    made = schema(name, fields(layout_of(name), Clock()))
    jsonschema.Draft202012Validator.check_schema(made)


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("delta_us",), -1),
        (("delta_us",), "5"),
        (("op",), "F_CLOSE"),
        (("proc", "pid"), 1 << 32),
        (("more",), 1),
        (("proc", "more"), 1),
        (("file",), None),
    ],
)
def test_what_is_wrong_is_not_valid(path: tuple[str, ...], wrong: Any) -> None:
    layout = layout_of("trace_fsslower")
    known = fields(layout, Clock())
    event = tuple(b"" if not isinstance(leaf.layout, Int) else 1 for leaf in layout.leaves())
    shown = json.loads(JsonLines(known).lines([event]))
    validator = jsonschema.Draft202012Validator(schema("trace_fsslower", known))
    assert validator.is_valid(shown)
    place = shown
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = wrong
    assert not validator.is_valid(shown)


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "trace_fsslower", "--show", "schema"]) == 0
    shown = json.loads(capsys.readouterr().out)
    event, lost = shown["anyOf"]
    assert sorted(event["required"]) == sorted(set(event["properties"]) - {"k8s", "runtime"})
    assert event["properties"]["k8s"]["required"] == []
    assert event["properties"]["runtime"]["properties"]["containerName"] == {"type": "string"}
    assert event["properties"]["timestamp"] == {"type": "string", "format": "date-time"}
    assert event["properties"]["proc"]["properties"]["pid"] == {
        "type": "integer",
        "minimum": 0,
        "maximum": 4294967295,
    }
    assert lost["properties"]["kind"] == {"const": "lost"}
    assert main(["inspect", "hist_blockio", "--show", "schema"]) == 2
    assert capsys.readouterr().err == (
        "pybpf: error: --show schema is about events, and hist_blockio has none: it counts\n"
    )
