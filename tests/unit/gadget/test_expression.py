"""--filter-expr: what it can say, and nothing more."""

from __future__ import annotations

import enum
import sys
from typing import Any

import pytest

from pybpf.errors import BpfError, UsageError
from pybpf.gadget.clock import Clock
from pybpf.gadget.expression import expression
from pybpf.gadget.fields import fields
from pybpf.spec import CString, Int, Struct


class Op(enum.IntEnum):
    F_READ, F_WRITE = range(2)


PROCESS = Struct("Process", [("comm", CString(16)), ("pid", Int("u32", 4))])
LAYOUT = Struct("Event", [("proc", PROCESS), ("op", Int("Op", 4, names=Op)), ("delta_us", Int("u64", 8))])
KNOWN = fields(LAYOUT, Clock())
EVENT: tuple[Any, ...] = (b"bash\0left", 7, 1, 500)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("delta_us > 499", True),
        ("delta_us > 499 and not proc.pid == 7", False),
        ("400 < delta_us <= 500 or 1/0", True),
        ("op == 'F_WRITE' and op_raw == 1", True),
        ("proc.comm in ('sh', 'bash')", True),
        ("'as' in proc.comm", True),
        ("matches(proc.comm, '^b.*h$')", True),
        ("lower('BASH') == proc.comm and len(proc.comm) == 4", True),
        ("max(delta_us, 3) // 100 * 2 + proc.pid % 2 == 11", True),
        ("(1 if proc.pid == 7 else 0) - 1", False),
    ],
)
def test_one_event(text: str, kept: bool) -> None:
    assert expression(text, KNOWN)([EVENT]) == [EVENT] * kept


WRONG = {
    "delta_us > 5)": ("this is no expression: unmatched ')'", 12),
    "delta > 5": ("events have no field 'delta' (did you mean 'delta_us'?)", 0),
    "delta_us > 5 and proc.com == 'x'": ("events have no field 'proc.com' (did you mean 'proc.comm'?)", 17),
    "open('/etc/passwd')": ("there are the functions abs, len, lower, matches, max, min", 0),
    "proc.comm.format(1)": ("there are the functions abs, len, lower, matches, max, min", 0),
    "().__class__": (
        "events have no field '().__class__'; they have proc.comm, proc.pid, op, op_raw, delta_us",
        0,
    ),
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        expression(text, KNOWN)
    message, column = WRONG[text]
    assert str(raised.value) == f"--filter-expr: {message}\n    {text}\n    {' ' * column}^"


@pytest.mark.parametrize(
    "text",
    [
        "delta_us / 0",
        "delta_us + proc.comm",
        "[x for x in 'abc']",
        "lambda: 1",
        "9 ** 9 ** 9",
        "'a' * 10 ** 9",
        "matches(proc.comm, '(')",
        "delta_us.real",
        "(delta_us := 5)",
        "f'{delta_us.__class__}'",
    ],
)
def test_what_can_not_be_evaluated_ends_with_an_error(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--filter-expr"):
        expression(text, KNOWN)([EVENT])


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "simpleeval", None)
    with pytest.raises(BpfError) as raised:
        expression("1", KNOWN)
    assert str(raised.value) == "--filter-expr needs simpleeval: pip install pybpf[expr], or use --filter"
