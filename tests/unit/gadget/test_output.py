"""Events as table and as JSON, as whole texts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybpf.errors import UsageError
from pybpf.gadget.clock import Clock
from pybpf.gadget.fields import fields
from pybpf.gadget.gadget import Column, Gadget
from pybpf.gadget.output.columns import Table
from pybpf.gadget.output.json import JsonLines
from pybpf.gadget.select import select
from pybpf.gadget.text import escape, fit, width
from pybpf.spec import Array, CString, Int, Struct

COLUMNS = "runtime.containerName:container proc.comm proc.pid delta_us size file op"
NOBODY = 4294967294  # an id that no account has


def event(**changed: Any) -> tuple[Any, ...]:
    values = {
        "timestamp": 1,
        "comm": b"bash",
        "pid": 297,
        "uid": NOBODY,
        "gid": NOBODY,
        "delta_us": 1030,
        "size": 6,
        "op": 0,
        "file": b"foo",
    }
    assert changed.keys() <= values.keys()
    return tuple({**values, **changed}.values())


def table(layout: Struct, clock: Clock, columns: str = COLUMNS) -> Table:
    return Table(select(fields(layout, clock), Gadget("test", columns=columns).columns).columns)


def test_table(layout: Struct, clock: Clock) -> None:
    shown = table(layout, clock)
    batch = [
        event(),
        event(comm=b"a\x1b[31mred", delta_us=12345678901, op=3, size=2**63 - 1),
        event(file="文件".encode() + b"\xff", size=-2, op=9),
        event(comm=b"123456789012345", file=b"f" * 40, pid=4194304),
    ]
    assert shown.header + shown.lines(batch) == (
        "CONTAINER        COMM                 PID   DELTA_US       SIZE"
        " FILE                             OP\n"
        "                 bash                 297       1030          6"
        " foo                              F_READ\n"
        "                 a\\x1b[31mred         297 12345678901 9223372036854775807"
        " foo                    F_FSYNC\n"
        "                 bash                 297       1030         -2"
        " 文件\\xff                         9\n"
        "                 123456789012345  4194304       1030          6"
        " fffffffffffffffffffffffffffffff… F_READ\n"
    )


def test_table_of_other_fields(layout: Struct, clock: Clock) -> None:
    shown = table(layout, clock, "timestamp timestamp_raw:raw proc.creds.user proc.creds.gid:g op_raw")
    assert shown.header + shown.lines([event()]) == (
        "TIMESTAMP                                      RAW USER               G  OP_RAW\n"
        "2024-02-29T12:00:00.000000001Z 1709208000000000001 4294967294   4294967294    0\n"
    )


def test_column_of_no_field(layout: Struct, clock: Clock) -> None:
    with pytest.raises(UsageError) as raised:
        table(layout, clock, "proc.pit:pid")
    assert str(raised.value) == "column PID: events have no field 'proc.pit' (did you mean 'proc.pid'?)"


def test_json(layout: Struct, clock: Clock) -> None:
    assert JsonLines(fields(layout, clock)).lines([event(), event(op=7, file=b'"\xff\n', size=-1)]) == (
        '{"delta_us":1030,"file":"foo","op":"F_READ","op_raw":0,'
        '"proc":{"comm":"bash","creds":{"gid":4294967294,"group":"4294967294","uid":4294967294,'
        '"user":"4294967294"},"pid":297},"size":6,'
        '"timestamp":"2024-02-29T12:00:00.000000001Z","timestamp_raw":1709208000000000001}\n'
        '{"delta_us":1030,"file":"\\"\\udcff\\n","op":"7","op_raw":7,'
        '"proc":{"comm":"bash","creds":{"gid":4294967294,"group":"4294967294","uid":4294967294,'
        '"user":"4294967294"},"pid":297},"size":-1,'
        '"timestamp":"2024-02-29T12:00:00.000000001Z","timestamp_raw":1709208000000000001}\n'
    )


def test_root_has_names(layout: Struct, clock: Clock) -> None:
    shown = json.loads(JsonLines(fields(layout, clock)).lines([event(uid=0, gid=0)]))
    assert shown["proc"]["creds"] == {"gid": 0, "group": "root", "uid": 0, "user": "root"}


def test_an_empty_batch(layout: Struct, clock: Clock) -> None:
    assert table(layout, clock).lines([]) == JsonLines(fields(layout, clock)).lines([]) == ""


@given(st.binary(max_size=40))
def test_bytes_survive_json(data: bytes) -> None:
    line = JsonLines(fields(Struct("E", [("file", CString(64))]), Clock())).lines([(data,)])
    assert line.isascii()
    assert line.count("\n") == 1
    assert json.loads(line)["file"].encode("utf-8", "surrogateescape") == data.partition(b"\0")[0]


@given(st.text(max_size=30), st.integers(1, 40))
def test_fitted_texts_fill_their_cells_and_obey_nothing(text: str, cells: int) -> None:
    shown = fit(text, cells)
    assert width(shown) == cells
    assert shown.isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 文", "plain é 文"),
        ("\x1b]0;title\x07\n\t\x7f", "\\x1b]0;title\\x07\\n\\t\\x7f"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("a\x9bb", "a\\x9bb"),
        ("\udcff", "\\xff"),
    ],
)
def test_escape(text: str, shown: str) -> None:
    assert escape(text) == shown


@pytest.mark.parametrize(
    ("text", "cells", "shown"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("文件名", 6, "文件名"),
        ("文件名", 5, "文件…"),
        ("文件名", 4, "文… "),
        ("e\u0301e\u0301", 3, "e\u0301e\u0301 "),
    ],
)
def test_fit(text: str, cells: int, shown: str) -> None:
    assert fit(text, cells) == shown


def test_a_layout_that_has_no_text(clock: Clock) -> None:
    with pytest.raises(UsageError) as raised:
        fields(Struct("E", [("stack", Array(Int("u64", 8), 4))]), clock)
    assert str(raised.value) == "the field stack is a u64[4]: fields are numbers and texts"


@pytest.mark.parametrize("word", ["a:", "proc..pid", "pid=1", ":"])
def test_a_wrong_column(word: str) -> None:
    with pytest.raises(UsageError) as raised:
        Gadget("test", columns=word)
    assert str(raised.value) == (
        f"{word!r} is no column: write a field's name, such as proc.comm, or FIELD:HEADER"
    )


def test_columns_have_headers() -> None:
    assert Gadget("test", columns="proc.pid:who proc.comm").columns == (
        Column("WHO", "proc.pid"),
        Column("COMM", "proc.comm"),
    )
