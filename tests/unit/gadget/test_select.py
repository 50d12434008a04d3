"""--fields: which columns and fields there are."""

from __future__ import annotations

import pytest

from pybpf.errors import UsageError
from pybpf.gadget.clock import Clock
from pybpf.gadget.fields import fields
from pybpf.gadget.gadget import Gadget
from pybpf.gadget.select import select
from pybpf.spec import Struct

ALL = "timestamp timestamp_raw proc.comm proc.pid proc.creds.uid proc.creds.user proc.creds.gid"
ALL += " proc.creds.group delta_us size op op_raw file"


@pytest.mark.parametrize(
    ("text", "columns", "names"),
    [
        ("", "COMM OP", ALL),
        ("proc.comm,file", "COMM FILE", "proc.comm file"),
        ("proc.comm:who , file:what", "WHO WHAT", "proc.comm file"),
        ("+size", "COMM OP SIZE", ALL),
        ("+op", "COMM OP", ALL),
        ("-op", "COMM", ALL.replace(" op ", " ")),
        ("-proc", "OP", "timestamp timestamp_raw delta_us size op op_raw file"),
        ("proc.creds,-proc.creds.uid", "USER GID GROUP", "proc.creds.user proc.creds.gid proc.creds.group"),
        ("file,+size,-file", "SIZE", "size"),
    ],
)
def test_what_is_chosen(layout: Struct, clock: Clock, text: str, columns: str, names: str) -> None:
    shown = select(fields(layout, clock), Gadget("test", columns="proc.comm op").columns, text)
    assert [header for header, _ in shown.columns] == columns.split()
    assert [each.path for each in shown.fields] == names.split()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("proc.pit", "--fields: events have no field 'proc.pit' (did you mean 'proc.pid'?)"),
        ("+pid", "--fields: events have no field 'pid' (did you mean 'proc.pid'?)"),
        ("xyz", f"--fields: events have no field 'xyz'; they have {ALL.replace(' ', ', ')}"),
        ("file,", "'' is no column: write a field's name, such as proc.comm, or FIELD:HEADER"),
        ("-op,-proc", "--fields -op,-proc leaves nothing to show"),
    ],
)
def test_what_is_wrong(layout: Struct, clock: Clock, text: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        select(fields(layout, clock), Gadget("test", columns="proc.comm op").columns, text)
    assert str(raised.value) == message


def test_a_column_of_several_fields(layout: Struct, clock: Clock) -> None:
    with pytest.raises(UsageError) as raised:
        select(fields(layout, clock), Gadget("test", columns="proc.creds").columns)
    assert str(raised.value) == (
        "column CREDS: proc.creds is no field, but has some:"
        " proc.creds.uid, proc.creds.user, proc.creds.gid, proc.creds.group"
    )
