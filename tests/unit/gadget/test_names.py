"""Numbers and addresses that are shown by names."""

from __future__ import annotations

import enum
import socket
from typing import Any

import pytest

from pybpf.dsl import Record, u16
from pybpf.gadget import IpAddress
from pybpf.gadget.clock import Clock
from pybpf.gadget.fields import fields
from pybpf.gadget.gadget import Gadget
from pybpf.gadget.output.columns import Table
from pybpf.gadget.output.json import JsonLines
from pybpf.gadget.select import select


class Flags(enum.IntFlag):
    READ = 0
    WRITE = 1
    DSYNC = 4
    SYNC = 12


class Kind(enum.IntEnum):
    ONE = 1
    UNO = 1
    TWO = 2


class Event(Record):
    flags: Flags
    kind: Kind
    port: u16
    source: IpAddress


FIELDS = fields(Event.layout, Clock())


def event(flags: int = 0, kind: int = 1, source: bytes = bytes(16)) -> tuple[Any, ...]:
    return flags, kind, 80, source


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (0, "READ"),
        (1, "WRITE"),
        (5, "WRITE|DSYNC"),
        (13, "WRITE|SYNC"),
        (8, "0x8"),
        (0x8000_0001, "WRITE|0x80000000"),
    ],
)
def test_flags(flags: int, text: str) -> None:
    line = JsonLines(FIELDS).lines([event(flags=flags)])
    assert (
        line
        == f'{{"flags":"{text}","flags_raw":{flags},"kind":"ONE","kind_raw":1,"port":80,"source":"::"}}\n'
    )


@pytest.mark.parametrize(("kind", "text"), [(1, "ONE"), (2, "TWO"), (3, "3")])
def test_an_enum(kind: int, text: str) -> None:
    assert f'"kind":"{text}","kind_raw":{kind}' in JsonLines(FIELDS).lines([event(kind=kind)])


@pytest.mark.parametrize("text", ["127.0.0.1", "192.0.2.255", "::1", "2001:db8::8:800:200c:417a"])
def test_addresses(text: str) -> None:
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    mapped = b"" if ":" in text else bytes(10) + b"\xff\xff"
    source = mapped + socket.inet_pton(family, text)
    assert f'"source":"{text}"' in JsonLines(FIELDS).lines([event(source=source)])


def test_in_a_table() -> None:
    table = Table(select(FIELDS, Gadget("x", columns="kind source flags port").columns).columns)
    source = socket.inet_pton(socket.AF_INET6, "2001:db8::8:800:200c:417a")
    assert table.header + table.lines([event(13, 2, source)]) == (
        "KIND SOURCE                   FLAGS                             PORT\n"
        "TWO  2001:db8::8:800:200c:41… WRITE|SYNC                          80\n"
    )
