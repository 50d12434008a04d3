"""Conditions that events must meet to be shown: `delta_us>5000,proc.comm~^pg`.

They are tested on decoded values, before anything is made of these for people.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from pybpf.errors import UsageError, near
from pybpf.gadget.fields import Shown
from pybpf.gadget.select import one
from pybpf.spec import Int

__all__ = ["Condition", "keep", "parse"]

# Each with its operands swapped, for the value that is compared with stands first.
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.le,
    "<=": operator.ge,
    ">": operator.lt,
    "<": operator.gt,
}
_OPERATORS = (*_COMPARE, "~", "!~")
_CONDITION = re.compile(r"\s*([\w.]*)\s*(==|!=|>=|<=|!~|>|<|~)?(.*)", re.DOTALL)
_COMMA = re.compile(r"(?<!\\),")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d)?")
_SECOND = 1_000_000_000


class Condition(NamedTuple):
    """A field compared with a value: a number, or a text. `test` takes the event's value of the field."""

    text: str
    shown: Shown
    op: str
    value: int | str
    test: Callable[[Any], bool]


class _Wrong(Exception):
    """What is wrong with a condition, and where in it."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(message)
        self.column = column


def keep(conditions: Iterable[Condition], batch: Sequence[tuple[Any, ...]]) -> Sequence[tuple[Any, ...]]:
    """Those events of a batch that meet all conditions."""
    for condition in conditions:
        test, source = condition.test, condition.shown.source
        batch = [event for event in batch if test(event[source])]
    return batch


def parse(text: str, known: Sequence[Shown]) -> list[Condition]:
    r"""The conditions, with commas between them (`\,` is a comma in a value).

    Numbers take `== != > >= < <=`, and so do the names of an enum and times (RFC 3339); texts take `==`,
    `!=`, `~` (a regular expression is found in it) and `!~`. Raises UsageError with the place.
    """
    found, start = [], 0
    for word in _COMMA.split(text):
        try:
            found.append(_condition(word, known))
        except _Wrong as wrong:
            caret = " " * (start + wrong.column)
            raise UsageError(f"--filter: {wrong}\n    {text}\n    {caret}^") from None
        start += len(word) + 1
    return found


def _condition(word: str, known: Sequence[Shown]) -> Condition:
    match = _CONDITION.fullmatch(word)
    assert match is not None  # all of it may be empty
    name, op, value = match.groups()
    if op is None:
        cure = "equal is ==" if value.startswith("=") else f"a field, and one of {' '.join(_OPERATORS)}"
        raise _Wrong(f"{word.strip()!r} is no condition: {cure}", match.start(3))
    try:
        shown = one(name, known)
    except UsageError as error:
        raise _Wrong(str(error), match.start(1)) from None
    value = value.replace("\\,", ",")
    try:
        wanted, test = _test(shown, op, value, known)
    except _Wrong as wrong:
        raise _Wrong(str(wrong), match.start(2 if wrong.column < 0 else 3) + max(0, wrong.column)) from None
    return Condition(word.strip(), shown, op, wanted, test)


def _test(
    shown: Shown, op: str, value: str, known: Sequence[Shown]
) -> tuple[int | str, Callable[[Any], bool]]:
    """What a field is compared with, and how."""
    layout = shown.layout
    if op in ("~", "!~"):
        return value, _matching(shown, op, value)
    if shown.text is not None and isinstance(layout, Int) and layout.names is not None:
        number = _named(value, layout)
        return number, functools.partial(_COMPARE[op], number)
    if shown.text is not None and isinstance(layout, Int) and layout.role == "timestamp":
        number = _time(value)
        return number, _number(one(f"{shown.path}_raw", known), op, number)
    if shown.text is None:
        assert isinstance(layout, Int)
        number = _whole(value, layout, shown)
        return number, _number(shown, op, number)
    if op not in ("==", "!="):
        raise _Wrong(f"{shown.path} is a text, which has no order: it takes ==, !=, ~ and !~", -1)
    return value, _texts(shown, functools.partial(_COMPARE[op], value))


def _number(shown: Shown, op: str, number: int) -> Callable[[Any], bool]:
    compare, make = functools.partial(_COMPARE[op], number), shown.number
    return compare if make is None else lambda value: compare(make(value))


def _texts(shown: Shown, test: Callable[[str | None], bool]) -> Callable[[Any], bool]:
    text = shown.text
    assert text is not None
    if not shown.lasting:
        return lambda value: test(text(value))
    return functools.lru_cache(maxsize=4096)(lambda value: test(text(value)))


def _matching(shown: Shown, op: str, value: str) -> Callable[[Any], bool]:
    if shown.text is None:
        raise _Wrong(f"{shown.path} is a number: it takes ==, !=, >, >=, < and <=", -1)
    try:
        search = re.compile(value).search
    except re.error as error:
        raise _Wrong(f"{value!r} is no regular expression: {error.msg}", error.pos or 0) from None
    wanted = op == "~"
    return _texts(shown, lambda text: (text is not None and search(text) is not None) is wanted)


def _whole(value: str, layout: Int, shown: Shown) -> int:
    try:
        number = int(value, 0)
    except ValueError:
        raise _Wrong(f"{shown.path} is a number, and {value!r} is none", 0) from None
    # A time that is made of a number may be any.
    if shown.number is None and not layout.minimum <= number <= layout.maximum:
        raise _Wrong(f"{shown.path} is a number from {layout.minimum} to {layout.maximum}", 0)
    return number


def _named(value: str, layout: Int) -> int:
    """The number of an enum's name, or of several flags' with `|` between them."""
    assert layout.names is not None
    members = {name: int(member) for name, member in layout.names.__members__.items()}
    number = 0
    for name, at in _words(value):
        if name in members:
            number |= members[name]
        elif name.isdecimal() or name.startswith("0x"):
            number |= _digits(name, at)
        else:
            hint = near(name, members) or f": it is one of {', '.join(members)}"
            raise _Wrong(f"{name!r} is no {layout.name}{hint}", at)
    return number


def _digits(name: str, at: int) -> int:
    try:
        return int(name, 0)
    except ValueError:
        raise _Wrong(f"{name!r} is no number", at) from None


def _words(value: str) -> Iterator[tuple[str, int]]:
    at = 0
    for word in value.split("|"):
        yield word.strip(), at
        at += len(word) + 1


def _time(value: str) -> int:
    """Nanoseconds since 1970 of `2024-02-29T12:00:00.5Z`; without a zone it's UTC, as what is shown."""
    from datetime import datetime

    match = _TIME.fullmatch(value.strip())
    try:
        if match is None:
            raise ValueError
        day, clock, fraction, zone = match.groups()
        zone = "+00:00" if zone in (None, "Z") else zone
        seconds = int(datetime.fromisoformat(f"{day}T{clock or '00:00:00'}{zone}").timestamp())
    except ValueError:
        raise _Wrong(f"{value!r} is no time, such as 2024-02-29T12:00:00Z", 0) from None
    return seconds * _SECOND + int((fraction or "").ljust(9, "0"))
