"""Events that are held back: in order, the first of them, summed up."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybpf.errors import UsageError
from pybpf.gadget.clock import Clock
from pybpf.gadget.fields import fields
from pybpf.gadget.gadget import Gadget
from pybpf.gadget.output import form_of
from pybpf.gadget.output.gathered import Sorted
from pybpf.gadget.output.order import keys
from pybpf.gadget.output.summary import Summary, measure, row_fields
from pybpf.gadget.select import Selection, select
from pybpf.spec import CString, Int, Struct

U32, U64 = Int("u32", 4), Int("u64", 8)
LAYOUT = Struct("Event", [("comm", CString(16)), ("op", U32), ("delta_us", U64), ("fd", U32)])
KNOWN = fields(LAYOUT, Clock())
EVENTS: list[tuple[Any, ...]] = [(b"b", 1, 5, 0), (b"a", 2, 7, 1), (b"c", 1, 9, 2), (b"a", 1, 7, 3)]


def in_order(order: str, form: str = "csv", top: int | None = None) -> Sorted:
    shown = form_of(form, LAYOUT, select(KNOWN, Gadget("test", columns="comm fd").columns, "comm,fd"))
    return Sorted(shown, keys(order, KNOWN), top)


@pytest.mark.parametrize(
    ("order", "top", "fds"),
    [
        ("comm", None, "1302"),
        ("-comm", None, "2013"),
        ("-delta_us", None, "2130"),
        ("op,-delta_us", None, "2301"),
        ("-op, comm", None, "1302"),
        ("-delta_us", 2, "21"),
        ("delta_us", 1, "0"),
    ],
)
def test_order(order: str, top: int | None, fds: str) -> None:
    shown = in_order(order, top=top)
    assert shown.header == "comm,fd\r\n"
    assert shown.lines(EVENTS[:2]) == shown.lines(EVENTS[2:]) == ""
    assert [line.split(",")[1] for line in str(shown.turn()).split()] == list(fds)
    assert shown.turn() == ""


def test_a_table_has_its_header_each_time() -> None:
    shown = in_order("-fd", "columns", 1)
    assert shown.header == ""
    for _ in range(2):
        shown.lines(EVENTS)
        assert shown.turn() == "COMM                  FD\na                      3\n"


def test_no_more_are_kept_than_may_be_shown() -> None:
    shown = in_order("-fd", top=3)
    for start in range(0, 100_000, 1000):
        shown.lines([(b"x", 0, 0, fd) for fd in range(start, start + 1000)])
        assert len(shown._events) < 6000
    assert str(shown.turn()).split() == ["x,99999", "x,99998", "x,99997"]


def test_a_field_that_is_not_there() -> None:
    with pytest.raises(UsageError) as raised:
        keys("-delta", KNOWN)
    assert str(raised.value) == "--sort: events have no field 'delta' (did you mean 'delta_us'?)"


def summary(names: str = "comm", form: str = "columns", order: str = "-total_us") -> Summary:
    by = [each for each in KNOWN if each.path in names.split(",")]
    rows = row_fields(by, measure(KNOWN))
    headers = tuple((each.path.upper(), each) for each in rows)
    shown = form_of(form, LAYOUT, Selection(headers, tuple(rows)))
    return Summary(shown, by, measure(KNOWN), keys(order, rows), None)


def test_summary() -> None:
    made = summary()
    assert made.header == made.lines(EVENTS) == ""
    assert made.turn() == (
        "COMM                  COUNT   TOTAL_US     P50_US     P99_US     MAX_US\n"
        "a                         2         14          7          7          7\n"
        "c                         1          9          9          9          9\n"
        "b                         1          5          5          5          5\n"
    )
    assert made.turn() == "COMM                  COUNT   TOTAL_US     P50_US     P99_US     MAX_US\n"


def test_summary_as_json() -> None:
    made = summary("comm,op", "json", "comm,-op")
    made.lines([*EVENTS, (b"c\0left", 1, 2, 9)])
    assert [json.loads(line) for line in str(made.turn()).splitlines()] == [
        dict(zip(("comm", "op", "count", "total_us", "p50_us", "p99_us", "max_us"), row))
        for row in [
            ("a", 2, 1, 7, 7, 7, 7),
            ("a", 1, 1, 7, 7, 7, 7),
            ("b", 1, 1, 5, 5, 5, 5),
            ("c", 1, 2, 11, 2, 9, 9),
        ]
    ]


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1))
def test_percentiles_are_right_to_one_in_a_hundred(values: list[int]) -> None:
    made = summary("", "json")
    made.lines([(b"", 0, value, 0) for value in values])
    row = json.loads(str(made.turn()))
    values.sort()
    assert (row["count"], row["max_us"]) == (len(values), values[-1])
    assert row["total_us"] == sum(values)
    for part in (50, 99):
        exact = values[-(-len(values) * part // 100) - 1]
        assert exact * 0.99 - 1 < row[f"p{part}_us"] <= exact
