"""Recordings: what was written is read, on any machine; of a damaged file, all that is whole."""

from __future__ import annotations

import contextlib
import enum
import io
import json
import os
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybpf.dsl import Array, Bits, CString, Record, i8, i64, u8, u16, u32, u64
from pybpf.errors import BpfError
from pybpf.events import Loss
from pybpf.events.records import Records
from pybpf.gadget import IpAddress, Process, Timestamp, fields
from pybpf.gadget.clock import Clock
from pybpf.gadget.fields import Shown
from pybpf.gadget.gadget import Gadget
from pybpf.gadget.output import FORMS, form_of
from pybpf.gadget.output.json import JsonLines
from pybpf.gadget.programs import load, shipped
from pybpf.gadget.recording import chunks
from pybpf.gadget.recording.chunks import Chunk, Damage, chunk, read
from pybpf.gadget.recording.layout import as_json, from_json
from pybpf.gadget.recording.recorder import Recorder
from pybpf.gadget.recording.recording import Recording
from pybpf.gadget.select import select
from pybpf.spec import Struct


class Op(enum.IntEnum):
    READ, WRITE = 0, 1
    OLD_NAME = 1


class Flag(enum.IntFlag):
    A, C = 1, 4


class Event(Record):
    timestamp: Timestamp
    proc: Process
    op: Op
    flags: Flag
    low: Bits[u32, 3]
    high: Bits[i8, 4]
    source: IpAddress
    file: CString[64]


NAMES = [leaf.name for leaf in Event.layout.leaves()]
PROGRAM: Any = SimpleNamespace(name="test", gadget=Gadget("test", columns="proc.comm proc.pid:who file"))


def event(number: int, file: bytes = b"foo") -> tuple[Any, ...]:
    given = {"timestamp": number, "proc.comm": b"bash".ljust(16, b"\0"), "proc.pid": number, "op": number % 3}
    given.update({"proc.parent.comm": b"x".ljust(16, b"\0"), "low": number % 8, "high": -(number % 8)})
    given.update({"source": bytes(12) + number.to_bytes(4, "big"), "file": file + b"\0"})
    return tuple(given.get(name, 0) for name in NAMES)


def container(layout: Struct) -> list[Shown]:
    text = lambda pid: f"web{pid}" if pid % 2 else None  # noqa: E731
    shown = Shown("runtime.containerName", NAMES.index("proc.pid"), CString(64), text, local=True)
    return [shown._replace(lasting=False, optional=True)]


def record(path: Path, *batches: list[tuple[Any, ...]], losses: list[Loss] | None = None) -> None:
    clock = Clock()
    clock.state = 5_000_000_000, 1_000
    known = fields.fields(Event.layout, clock, [container])
    with Recorder(str(path), PROGRAM, Event.layout, known, clock) as recorder:
        for number, batch in enumerate(batches):
            recorder.batch(batch)
            clock.state = 5_000_000_000 + number + 1, 1_000
            if losses:
                recorder.lost(losses)


def replay(path: Path) -> tuple[list[dict[str, Any]], str]:
    """The events of a recording as JSON, and what is said about damage."""
    with Recording(str(path)) as recording:
        lines = JsonLines(recording.fields)
        shown = "".join(lines.lines(batch) for batch in recording.batches())
        return [json.loads(line) for line in shown.splitlines()], recording.damage


def test_what_was_written_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(tmp_path / "a", [event(1), event(2)], [event(3, b"\xff\n")])
    # This machine has other accounts.
    monkeypatch.setitem(fields._ACCOUNTS, "uid", ("user", lambda uid: "stranger"))
    shown, damage = replay(tmp_path / "a")
    assert damage == ""
    assert [each["timestamp_raw"] for each in shown] == [5_000_000_001, 5_000_000_002, 5_000_000_004]
    assert [each.get("runtime") for each in shown] == [
        {"containerName": "web1"},
        None,
        {"containerName": "web3"},
    ]
    assert {each["proc"]["creds"]["user"] for each in shown} == {"root"}
    assert (shown[2]["op"], shown[2]["low"], shown[2]["high"]) == ("READ", 3, -3)
    assert (shown[1]["op"], shown[1]["source"]) == ("2", "::2")
    assert shown[2]["file"] == "\udcff\n"


def test_it_says_what_it_is_of(tmp_path: Path) -> None:
    record(tmp_path / "a", losses=[])
    with Recording(str(tmp_path / "a")) as recording:
        assert (recording.program, list(recording.batches())) == ("test", [])
        assert recording.columns == list(PROGRAM.gadget.columns)
        system = os.uname()
        assert recording.kernel == f"{system.sysname} {system.release} ({system.machine})"
        assert recording.damage == ""


def test_losses_and_the_first_events(tmp_path: Path) -> None:
    record(tmp_path / "a", [event(1)], [event(2), event(3)], losses=[Loss(3, 1, 4, 1)])
    said: list[list[Loss]] = []
    with Recording(str(tmp_path / "a")) as recording:
        batches = list(recording.batches(most=2, lost=said.append))
        assert [len(batch) for batch in batches] == [1, 1]
        assert (recording.shown, recording.lost, recording.lost_by_cpu) == (2, 4, {3: 4})
        assert recording.damage == ""
    assert said == [[Loss(3, 1, 4, 1)]]


def test_the_file_is_new_and_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "a"
    before = os.umask(0)
    try:
        record(path, [event(1)])
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["a"]
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("a", "link"):
        with pytest.raises(BpfError) as raised:
            record(tmp_path / name)
        assert str(raised.value) == (
            f"{tmp_path / name}: there is such a file: remove it, or choose another name"
        )
    with pytest.raises(BpfError) as raised:
        record(tmp_path / "no" / "a")
    assert str(raised.value) == f"{tmp_path / 'no' / 'a'} can't be recorded into: No such file or directory"
    assert sorted(os.listdir(tmp_path)) == ["a", "link"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes, int, list[int]]:
    """A recording, its bytes, where its description ends, and where each event's chunk does."""
    path = tmp_path_factory.mktemp("recording") / "a"
    record(path, *([event(number)] for number in range(20)))
    data = path.read_bytes()
    ends, at = [], len(chunks.MAGIC)
    while at < len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        ends.append((size >> 24, at + 8 + (size & 0xFFFFFF)))
        at = (ends[-1][1] + 7) // 8 * 8
    return path, data, ends[0][1], [end for kind, end in ends if kind == chunks.EVENT]


@given(st.data())
def test_a_file_that_is_cut(whole: tuple[Path, bytes, int, list[int]], data: st.DataObject) -> None:
    path, content, head, ends = whole
    cut = data.draw(st.integers(0, len(content.rstrip(b"\0")) - 1))
    other = path.with_name("cut")
    other.write_bytes(content[:cut])
    if cut < head:
        with pytest.raises(BpfError, match=r"is no recording|is damaged where it says"):
            replay(other)
        return
    shown, damage = replay(other)
    assert [each["proc"]["pid"] for each in shown] == list(range(sum(end <= cut for end in ends)))
    assert damage.startswith(f"{other} ")


@given(st.data())
def test_bits_that_are_wrong(whole: tuple[Path, bytes, int, list[int]], data: st.DataObject) -> None:
    path, content, head, _ = whole
    bit = data.draw(st.integers(0, len(content) * 8 - 1))
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    other = path.with_name("flipped")
    other.write_bytes(damaged)
    if bit // 8 < head:
        # Padding may hold anything.
        try:
            assert len(replay(other)[0]) == 20
        except BpfError as error:
            assert "is no recording" in str(error) or "is damaged where it says" in str(error)  # noqa: PT017
        return
    shown, damage = replay(other)
    pids = [each["proc"]["pid"] for each in shown]
    assert len(pids) >= 19
    assert pids == sorted(set(pids))
    assert bool(damage) or len(pids) == 20


@given(st.binary(max_size=2000), st.integers(1, 200))
def test_any_bytes(junk: bytes, piece: int) -> None:
    """Nothing is made of what is no chunk, and what is one is found wherever it is, however it is read."""
    good = [chunk(chunks.EVENT, b"12345"), chunk(chunks.LOST, b"[]"), chunk(chunks.EVENT, b"")]
    aligned = junk[: len(junk) // 8 * 8]
    found = list(read(io.BytesIO(aligned + b"".join(good) + junk), 0))
    events = [record for each in found if isinstance(each, Records) for record in each.split()]
    assert events == [b"12345", b""]
    assert [each for each in found if isinstance(each, Chunk)] == [Chunk(chunks.LOST, b"[]")]
    assert sum(each.size for each in found if isinstance(each, Damage)) == len(aligned) + len(junk)


def test_a_large_file() -> None:
    good = chunk(chunks.EVENT, b"x" * 1000)
    data = good * 3000 + bytes(5_000_000) + good * 2
    found = list(read(io.BytesIO(data), 16))
    assert sum(len(each.split()) for each in found if isinstance(each, Records)) == 3002
    damage = [each for each in found if isinstance(each, Damage)]
    assert (damage[0].at, sum(each.size for each in damage)) == (16 + len(good) * 3000, 5_000_000)


class Packed(Record, packed=True):
    a: u8
    b: u64


class Others(Record):
    inner: Packed
    plain: Array[u16, 3]
    op: [Op, 2]  # type: ignore[valid-type]
    far: i64


LAYOUTS = [Event.layout, Others.layout]
LAYOUTS += [load(name).declarations.events.layout for name in shipped() if load(name).declarations.events]  # type: ignore[union-attr]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout: Struct) -> None:
    read_back = from_json(json.loads(json.dumps(as_json(layout))))
    assert as_json(read_back) == as_json(layout)
    assert (read_back.size, read_back.align, read_back.format) == (layout.size, layout.align, layout.format)
    assert [(leaf.name, leaf.offset) for leaf in read_back.leaves()] == [
        (leaf.name, leaf.offset) for leaf in layout.leaves()
    ]


U8 = {"int": "u8", "size": 1, "signed": False}
GOOD: dict[str, Any] = {"struct": "E", "packed": False, "members": [["a", U8]]}


def changed(**members: Any) -> dict[str, Any]:
    return {**GOOD, "members": [["a", {**U8, **members}]]}


@pytest.mark.parametrize(
    "layout",
    [
        None,
        [],
        {},
        {"text": 4},
        {**GOOD, "members": []},
        {**GOOD, "members": GOOD["members"] * 2},
        {**GOOD, "members": [["\x1b[31m", {"text": 4}]]},
        {**GOOD, "members": [["a", {"text": 10**9}]]},
        {**GOOD, "members": [["a", {"text": True}]]},
        {**GOOD, "members": [["a", {"array": 60000, "of": {"text": 60000}}]]},
        {**GOOD, "members": [["a", {"bits": 9, "of": U8}]]},
        changed(size=3),
        changed(enum={"mro": 1}),
        changed(enum={"__init__": 1}),
        changed(enum={"a b": 1}),
        changed(enum={"A": "x"}),
        changed(enum=5),
    ],
    ids=str,
)
def test_layouts_that_make_no_sense(tmp_path: Path, layout: Any) -> None:
    record(tmp_path / "good")
    data = (tmp_path / "good").read_bytes()
    size = int.from_bytes(data[20:23], "little")
    header = {**json.loads(data[24 : 24 + size]), "layout": layout, "local": []}
    bad = tmp_path / "bad"
    bad.write_bytes(chunks.MAGIC + chunk(chunks.HEADER, json.dumps(header).encode()))
    with pytest.raises(BpfError, match="says what is in it in a way that makes no sense"):
        replay(bad)


@pytest.mark.parametrize(
    "local", [[["proc", 0, True]], [["proc.x", 0, True]], [["a.b", 99, True]], [["é.b", 0, True]], [["a"]], 5]
)
def test_fields_that_make_no_sense(tmp_path: Path, local: Any) -> None:
    record(tmp_path / "good")
    data = (tmp_path / "good").read_bytes()
    size = int.from_bytes(data[20:23], "little")
    header = {**json.loads(data[24 : 24 + size]), "local": local}
    bad = tmp_path / "bad"
    bad.write_bytes(chunks.MAGIC + chunk(chunks.HEADER, json.dumps(header).encode()))
    with pytest.raises(BpfError, match="says what is in it in a way that makes no sense"):
        replay(bad)


def test_what_is_no_recording(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("something else")
    for name, message in {
        "a": "is no recording: `pybpf run PROGRAM --record FILE` makes one",
        "b": ": No such file or directory",
        ".": ": Is a directory",
    }.items():
        with pytest.raises(BpfError) as raised:
            Recording(str(tmp_path / name))
        assert str(raised.value) == f"{tmp_path / name}{' ' * (message[0] == 'i')}{message}"


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where in JSON there is something that can be replaced."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(each for key, below in inner for each in places(below, (*path, key)))][bool(not path) :]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.data())
def test_whatever_a_file_says_it_is_shown_or_an_error(
    whole: tuple[Path, bytes, int, list[int]], data: st.DataObject
) -> None:
    """What is checked by its sum may still be written by anybody."""
    path, content, head, _ = whole
    found = list(read(io.BytesIO(content[16:]), 16))
    first = next(each for each in found if isinstance(each, Chunk))
    header = json.loads(first.data)
    *way, last = data.draw(st.sampled_from(places(header)))
    place = header
    for key in way:
        place = place[key]
    place[last] = data.draw(JSON)
    kind = data.draw(st.sampled_from([chunks.CLOCK, chunks.NAMES, chunks.LOST, chunks.END]))
    other = chunk(kind, json.dumps(data.draw(JSON)).encode())
    bad = path.with_name("bad")
    bad.write_bytes(
        chunks.MAGIC
        + chunk(chunks.HEADER, json.dumps(header).encode())
        + content[(head + 7) // 8 * 8 :]
        + other
    )
    with contextlib.suppress(BpfError), Recording(str(bad)) as recording:
        shown = select(recording.fields, recording.columns)
        forms = [form_of(name, recording.layout, shown) for name in FORMS]
        for batch in recording.batches(lost=lambda losses: None):
            for form in forms:
                text = form.lines(batch)
                assert isinstance(text, bytes) or text.replace("\r", "").replace("\n", "").isprintable()
