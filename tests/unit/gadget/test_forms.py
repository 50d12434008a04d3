"""Each form of output, as whole texts, and read back by those who read it."""

from __future__ import annotations

import csv
import io
import json
import struct
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pybpf.events import Decoder, Loss
from pybpf.gadget.clock import Clock
from pybpf.gadget.fields import Shown, fields
from pybpf.gadget.gadget import Gadget
from pybpf.gadget.output import FORMS, form_of
from pybpf.gadget.output.columns import Table
from pybpf.gadget.output.form import Form
from pybpf.gadget.select import select
from pybpf.gadget.text import width
from pybpf.spec import CString, Int, Struct

SMALL = Struct(
    "Event",
    [("proc", Struct("Process", [("comm", CString(16)), ("pid", Int("u32", 4))])), ("file", CString(64))],
)
BATCH: list[tuple[Any, ...]] = [
    (b"bash", 297, b"foo"),
    (b'a"b,\\', 1, "é文😀".encode() + b"\x1b[31m\n\xff"),
]
LOSS = [Loss(cpu=1, lost=2, total=3, position=4)]


def container(layout: Struct) -> list[Shown]:
    """What a process with an odd number runs in."""
    index = [leaf.name for leaf in layout.leaves()].index("proc.pid")
    name = Shown("runtime.containerName", index, CString(64), lambda pid: "web" if pid % 2 else None)
    image = name._replace(path="runtime.image", text=lambda pid: "nginx" if pid == 3 else None)
    return [each._replace(lasting=False, optional=True) for each in (name, image)]


def form(name: str, names: str = "", added: bool = False, columns: str = "proc.comm proc.pid file") -> Form:
    known = fields(SMALL, Clock(), [container] if added else ())
    return form_of(name, SMALL, select(known, Gadget("test", columns=columns).columns, names))


TEXTS = {
    "columns": (
        "COMM                 PID FILE\n",
        'bash                 297 foo\na"b,\\                  1 é文😀\\x1b[31m\\n\\xff\n',
        "",
    ),
    "json": (
        "",
        '{"file":"foo","proc":{"comm":"bash","pid":297}}\n'
        '{"file":"\\u00e9\\u6587\\ud83d\\ude00\\u001b[31m\\n\\udcff","proc":{"comm":"a\\"b,\\\\","pid":1}}\n',
        '{"cpu":1,"kind":"lost","lost":2,"position":4,"total":3}\n',
    ),
    "jsonpretty": (
        "",
        '{\n  "file": "foo",\n  "proc": {\n    "comm": "bash",\n    "pid": 297\n  }\n}\n'
        '{\n  "file": "\\u00e9\\u6587\\ud83d\\ude00\\u001b[31m\\n\\udcff",\n'
        '  "proc": {\n    "comm": "a\\"b,\\\\",\n    "pid": 1\n  }\n}\n',
        '{\n  "cpu": 1,\n  "kind": "lost",\n  "lost": 2,\n  "position": 4,\n  "total": 3\n}\n',
    ),
    "yaml": (
        "",
        '---\nfile: "foo"\nproc:\n  comm: "bash"\n  pid: 297\n'
        '---\nfile: "\\xe9\\u6587\\U0001f600\\x1b[31m\\n\\udcff"\nproc:\n  comm: "a\\"b,\\\\"\n  pid: 1\n',
        '---\ncpu: 1\nkind: "lost"\nlost: 2\nposition: 4\ntotal: 3\n',
    ),
    "csv": (
        "proc.comm,proc.pid,file\r\n",
        'bash,297,foo\r\n"a""b,\\",1,é文😀\\x1b[31m\\n\\xff\r\n',
        "",
    ),
    "none": ("", "", ""),
    "raw": (
        b"",
        struct.pack("<I16sI4s", 24, b"bash", 297, b"foo")
        + struct.pack("<I16sI", 20 + 17, b'a"b,\\', 1)
        + "é文😀".encode()
        + b"\x1b[31m\n\xff\0",
        "",
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_texts(name: str) -> None:
    made = form(name)
    assert (made.header, made.lines(BATCH), made.lost(LOSS)) == TEXTS[name]
    assert not made.lines([])
    assert not made.turn()


@pytest.mark.parametrize(
    ("name", "names", "text"),
    [
        ("json", "", '{"file":"","proc":{"comm":"a","pid":%d}%s}\n'),
        ("json", "runtime", "{%s}\n"),
        ("json", "runtime,file", '{"file":""%s}\n'),
        ("json", "runtime,zzz", '{%s"zzz":"a"}\n'),
    ],
)
def test_an_object_that_not_every_event_has(name: str, names: str, text: str) -> None:
    known = [*fields(SMALL, Clock(), [container]), Shown("zzz", 0, CString(16), lambda raw: "a")]
    columns = Gadget("test", columns="file").columns
    known = known[:-1] if "zzz" not in names else known
    shown = form_of(name, SMALL, select(known, columns, names))
    parts = ["", '"runtime":{"containerName":"web"}', '"runtime":{"containerName":"web","image":"nginx"}']
    for pid, part in zip((2, 1, 3), parts):
        if part:
            part = {"": f",{part}", "runtime": part, "runtime,file": f",{part}"}.get(names, f"{part},")
        want = text % ((pid, part) if "%d" in text else part)
        assert shown.lines([(b"a", pid, b"")]) == want


def test_optional_fields_in_other_forms() -> None:
    batch = [(b"a", 1, b"f"), (b"b", 2, b"g")]
    assert form("yaml", "proc.pid,runtime", added=True).lines(batch) == (
        '---\nproc:\n  pid: 1\nruntime:\n  containerName: "web"\n---\nproc:\n  pid: 2\n'
    )
    assert form("yaml", "runtime", added=True).lines(batch) == (
        '---\nruntime:\n  containerName: "web"\n--- {}\n'
    )
    assert form("csv", "proc.pid,runtime.containerName", added=True).lines(batch) == "1,web\r\n2,\r\n"
    assert form("csv", "runtime.containerName", added=True).lines(batch) == 'web\r\n""\r\n'
    table = form("columns", "runtime.containerName:c,proc.pid", added=True)
    assert f"{table.header!s}{table.lines(batch)!s}" == (
        "C                    PID\nweb                    1\n                       2\n"
    )


ANY = st.binary(max_size=16).map(lambda data: data.partition(b"\0")[0])


def read_back(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


@given(ANY, ANY)
def test_json_and_yaml_lose_nothing(comm: bytes, file: bytes) -> None:
    batch = [(comm, 7, file)]
    want = {"proc": {"comm": read_back(comm), "pid": 7}, "file": read_back(file)}
    assert json.loads(form("json").lines(batch)) == want
    assert json.loads(form("jsonpretty").lines(batch)) == want
    shown = json.loads(form("json").lines(batch))["file"]
    assert shown.encode("utf-8", "surrogateescape") == file
    assert yaml.safe_load(form("yaml").lines(batch)) == want


@given(ANY, ANY)
def test_csv_is_read_as_it_was_shown(comm: bytes, file: bytes) -> None:
    made = form("csv")
    text = f"{made.header!s}{made.lines([(comm, 7, file)])!s}"
    head, row = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert head == ["proc.comm", "proc.pid", "file"]
    assert row[1] == "7"
    assert "".join(row).isprintable()


@given(st.lists(st.tuples(ANY, st.integers(0, 2**32 - 1), ANY)))
def test_no_text_form_lets_a_terminal_be_told_what_to_do(batch: list[tuple[Any, ...]]) -> None:
    for name in FORMS:
        if name != "raw":
            text = form(name).lines(batch)
            assert isinstance(text, str)
            lines = text.replace("\r\n", "\n").split("\n")
            assert "".join(lines).isprintable()
            if name in ("columns", "json", "csv"):
                assert len(lines) == len(batch) + 1


@given(st.lists(st.tuples(ANY, st.integers(0, 2**32 - 1), ANY)))
def test_raw_is_read_back(batch: list[tuple[Any, ...]]) -> None:
    data, found = form("raw").lines(batch), []
    assert isinstance(data, bytes)
    while data:
        length = int.from_bytes(data[:4], "little")
        record, data = data[4 : 4 + length], data[4 + length :]
        comm, pid, file = Decoder(SMALL).decode(record)
        found.append((comm.rstrip(b"\0"), pid, file.rstrip(b"\0")))
    assert found == batch


class TestRoom:
    """A table in a terminal."""

    def table(self, room: int) -> Table:
        columns = "runtime.containerName:container proc.comm proc.pid file"
        return Table(select(fields(SMALL, Clock()), Gadget("test", columns=columns).columns).columns, room)

    def test_texts_have_what_there_is(self) -> None:
        batch = [(b"123456789012345", 419430, b"x" * 63)]
        for room in (10, 30, 40, 60, 90, 125):
            table = self.table(room)
            line = str(table.lines(batch)).rstrip("\n")
            assert width(line) <= max(room, 9 + 1 + 6 + 1 + 6 + 1 + 6), room
            assert "419430" in line
            assert ("x" * 63 in line) is (room >= 125)

    def test_columns(self) -> None:
        batch = [(b"123456789012345", 4194304, b"x" * 63)]
        assert self.table(48).header + str(self.table(48).lines(batch)) == (
            "CONTAINER    COMM              PID FILE\n             123456789012… 4194304 xxxxxxxxxxxx…\n"
        )


@given(ANY, st.integers(0, 9_999_999), ANY)
def test_columns_keep_their_places(comm: bytes, pid: int, file: bytes) -> None:
    """Whatever the texts are, what follows begins where its header does."""
    table = form("columns")
    start = str(table.header).index("FILE")
    line = str(table.lines([(comm, pid, b"|" + file)]))
    assert width(line[: line.index(f"{pid:>7} |") + 8]) == start
