"""--filter: which events are shown, and what the kernel can do for it."""

from __future__ import annotations

import contextlib
import enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybpf.dsl import CString, Param, Record, u64
from pybpf.errors import UsageError
from pybpf.gadget import Process, Timestamp
from pybpf.gadget.clock import Clock
from pybpf.gadget.conditions import keep, parse
from pybpf.gadget.fields import Shown, fields
from pybpf.gadget.filters import target_comm, target_gid, target_mntns, target_pid, target_tid, target_uid
from pybpf.gadget.push import push, unmet
from pybpf.spec import Struct


class Op(enum.IntEnum):
    F_READ, F_WRITE, F_OPEN = range(3)


class Flags(enum.IntFlag):
    O_WRONLY = 1
    O_CREAT = 64


class Event(Record):
    timestamp: Timestamp
    proc: Process
    delta_us: u64
    op: Op
    flags: Flags
    file: CString[64]


def event(**changed: Any) -> tuple[Any, ...]:
    names = [leaf.name.rpartition(".")[2] for leaf in Event.layout.leaves()]
    values: dict[str, Any] = dict.fromkeys(names, 0)
    values.update(comm=b"bash", file=b"foo")
    # The parent's have the same last names: they come later, and stay 0.
    given = {"timestamp": 10**9, "pid": 7, "delta_us": 500, "op": 1, "flags": 65, **changed}
    row = []
    for name, leaf in zip(names, Event.layout.leaves()):
        is_text = isinstance(leaf.layout, CString)
        if ".parent." in leaf.name:
            row.append(b"init" if is_text else 1)
        else:
            row.append(given.get(name, values[name]))
    return tuple(row)


@pytest.fixture
def known(clock: Clock) -> list[Shown]:
    def container(layout: Struct) -> list[Shown]:
        index = [leaf.name for leaf in layout.leaves()].index("proc.pid")
        text = lambda pid: "web" if pid == 9 else None  # noqa: E731
        return [Shown("runtime.containerName", index, CString(64), text, lasting=False, optional=True)]

    return fields(Event.layout, clock, [container])


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("delta_us>499", True),
        ("delta_us>500", False),
        ("delta_us>=500", True),
        ("delta_us < 501", True),
        ("delta_us<=499", False),
        ("delta_us==0x1f4", True),
        ("delta_us!=500", False),
        ("proc.comm==bash", True),
        ("proc.comm!=bash", False),
        ("proc.comm~^ba", True),
        ("proc.comm~sh$", True),
        ("proc.comm!~sh$", False),
        ("proc.parent.comm==init,proc.pid==7", True),
        ("proc.parent.comm==init,proc.pid==8", False),
        ("op==F_WRITE", True),
        ("op>F_READ", True),
        ("op==2", False),
        ("op~WRI", True),
        ("op_raw==1", True),
        ("flags==O_WRONLY|O_CREAT", True),
        ("flags==O_CREAT", False),
        ("flags~O_CREAT", True),
        ("proc.creds.user==root", True),
        ("timestamp>=2024-02-29T12:00:01Z", True),
        ("timestamp>2024-02-29T12:00:01Z", False),
        ("timestamp>2024-02-29T12:00:00.999999999", True),
        ("timestamp>2024-02-29T14:00:00+02:00", True),
        ("timestamp<2024-03-01", True),
        ("timestamp_raw==1709208001000000000", True),
        (r"file~a\,b", False),
        ("runtime.containerName==web", False),
        ("runtime.containerName!=web", True),
        ("runtime.containerName~.", False),
        ("runtime.containerName!~.", True),
    ],
)
def test_one_event(known: list[Shown], text: str, kept: bool) -> None:
    assert keep(parse(text, known), [event()]) == [event()] * kept


def test_commas_and_bytes(known: list[Shown]) -> None:
    events = [event(file=b"a,b"), event(file=b"a\xff\0left"), event(pid=9)]
    assert keep(parse(r"file==a\,b", known), events) == events[:1]
    assert keep(parse("file==a\udcff", known), events) == events[1:2]
    assert keep(parse("runtime.containerName==web", known), events) == events[2:]


WRONG = {
    "delta_us=5": ("'delta_us=5' is no condition: equal is ==", 8),
    "delta_us": ("'delta_us' is no condition: a field, and one of == != >= <= > < ~ !~", 8),
    "": ("'' is no condition: a field, and one of == != >= <= > < ~ !~", 0),
    "delta_us>5,proc.com~x": ("events have no field 'proc.com' (did you mean 'proc.comm'?)", 11),
    "delta_us>5ms": ("delta_us is a number, and '5ms' is none", 9),
    "proc.pid==-1": ("proc.pid is a number from 0 to 4294967295", 10),
    "delta_us~5": ("delta_us is a number: it takes ==, !=, >, >=, < and <=", 8),
    "file>a": ("file is a text, which has no order: it takes ==, !=, ~ and !~", 4),
    "file~a(b": ("'a(b' is no regular expression: missing ), unterminated subpattern", 6),
    "op==F_REED": ("'F_REED' is no Op (did you mean 'F_READ'?)", 4),
    "flags==O_CREAT|X": ("'X' is no Flags: it is one of O_WRONLY, O_CREAT", 15),
    "timestamp>noon": ("'noon' is no time, such as 2024-02-29T12:00:00Z", 10),
    "timestamp>2024-02-31": ("'2024-02-31' is no time, such as 2024-02-29T12:00:00Z", 10),
    "proc.creds>1": (
        "proc.creds is no field, but has some: proc.creds.uid, proc.creds.user, proc.creds.gid,"
        " proc.creds.group",
        0,
    ),
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong(known: list[Shown], text: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(text, known)
    message, column = WRONG[text]
    assert str(raised.value) == f"--filter: {message}\n    {text}\n    {' ' * column}^"


@given(st.text(max_size=30))
def test_any_text_is_conditions_or_an_error(text: str) -> None:
    with contextlib.suppress(UsageError):
        parse(text, fields(Event.layout, Clock()))


MIN = Param("min", u64, 10000, "help", keeps="delta_us>")
PARAMS = [target_mntns, target_pid, target_tid, target_uid, target_gid, target_comm, MIN]


@pytest.mark.parametrize(
    ("text", "given", "pushed"),
    [
        ("proc.pid==7", {}, {"pid": 7}),
        ("proc.pid==7", {"pid": 8}, {}),
        ("proc.pid!=7", {}, {}),
        ("proc.pid==0", {}, {}),  # that is the filter being off
        ("proc.tid==7,proc.creds.uid==0,proc.creds.gid==5", {}, {"tid": 7, "uid": 0, "gid": 5}),
        ("proc.creds.uid==4294967295", {}, {}),
        ("proc.comm==bash", {}, {"comm": b"bash"}),
        ("proc.comm~bash", {}, {}),
        ("proc.comm==1234567890123456", {}, {}),
        ("proc.mntns_id==4026531832", {}, {"mntns": 4026531832}),
        ("proc.mntns_id==18446744073709551615", {}, {}),
        ("delta_us>500", {}, {"min": 500}),
        ("delta_us>=500", {}, {"min": 499}),
        ("delta_us==500", {}, {"min": 499}),
        ("delta_us>=0", {}, {}),
        ("delta_us<500", {}, {}),
        ("delta_us>5,delta_us>7", {}, {"min": 7}),
        ("file==x,delta_us>5", {}, {"min": 5}),
    ],
)
def test_what_the_kernel_tests(
    known: list[Shown], text: str, given: dict[str, Any], pushed: dict[str, Any]
) -> None:
    found = push(parse(text, known), PARAMS, given)
    assert {name: value for name, (_, value) in found.items()} == pushed


@pytest.mark.parametrize(
    ("text", "given", "count"),
    [
        ("delta_us<10000", {}, 1),
        ("delta_us<10001", {}, 0),
        ("delta_us<=9999", {}, 1),
        ("delta_us<=10000", {}, 0),
        ("delta_us<100", {"min": 0}, 0),
        ("delta_us==5", {"min": 7}, 1),
        ("delta_us>5,proc.pid<5", {}, 0),
    ],
)
def test_what_no_event_meets(known: list[Shown], text: str, given: dict[str, Any], count: int) -> None:
    assert len(unmet(parse(text, known), PARAMS, given)) == count


@given(st.sampled_from([">", ">=", "=="]), st.integers(0, 50), st.integers(0, 60_000))
def test_the_kernel_keeps_all_that_are_to_be_shown(op: str, limit: int, took_ns: int) -> None:
    """trace_fsslower keeps what took more than 1000 * min nanoseconds, and shows whole microseconds."""
    conditions = parse(f"delta_us{op}{limit}", fields(Event.layout, Clock()))
    shown = bool(keep(conditions, [event(delta_us=took_ns // 1000)]))
    found = push(conditions, [MIN], {})
    least = found["min"][1] if found else MIN.default
    if found and shown:
        assert took_ns > 1000 * least or took_ns == 1000 * limit
