"""Which fields are shown: those that a gadget or a person names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pybpf.errors import UsageError, near
from pybpf.gadget.fields import Shown
from pybpf.gadget.gadget import Column, column
from pybpf.spec import CString

__all__ = ["Selection", "find", "one", "select"]


# Columns of what no event has where nobody adds it.
_BLANK = (Shown("runtime.containerName", 0, CString(64), lambda value: None, optional=True),)


class Selection(NamedTuple):
    """What forms show: `columns` with headers for people, `fields` for machines."""

    columns: tuple[tuple[str, Shown], ...]
    fields: tuple[Shown, ...]


def select(known: Sequence[Shown], columns: Sequence[Column], text: str = "") -> Selection:
    """The gadget's columns and all fields, changed by `text`: names with commas between them.

    `a,b` are these and no others, `+c` is one more, `-d` one less; a name stands for all fields below it
    too (`proc.creds`). A column's header is the last part of the name, or what follows a colon. Raises
    UsageError with the names that are near.
    """
    blank = [each for each in _BLANK if each.path not in {shown.path for shown in known}]
    headers = [
        (each.header, one(each.field, [*known, *blank], f"column {each.header}: ")) for each in columns
    ]
    fields = list(known)
    words = [_word(word.strip(), known) for word in text.split(",")] if text else []
    if any(not sign for sign, _ in words):
        headers, fields = [], []
    for sign, found in words:
        paths = {each.path for _, each in found}
        if sign == "-":
            headers = [each for each in headers if each[1].path not in paths]
            fields = [each for each in fields if each.path not in paths]
        else:
            shown = {each.path for _, each in headers}
            headers += [each for each in found if each[1].path not in shown]
            fields += [each for _, each in found if each not in fields]
    if not headers:
        raise UsageError(f"--fields {text} leaves nothing to show")
    return Selection(tuple(headers), tuple(fields))


def find(name: str, known: Sequence[Shown], what: str = "") -> list[Shown]:
    """The field of that name, or all below it. Raises UsageError; `what` it is begins that."""
    found = [each for each in known if each.path == name] or [
        each for each in known if each.path.startswith(f"{name}.")
    ]
    if not found:
        names = [each.path for each in known]
        same = [repr(each) for each in names if each.endswith(f".{name}")]
        hint = f" (did you mean {' or '.join(same)}?)" if same else near(name, names)
        hint = hint or f"; they have {', '.join(names)}"
        raise UsageError(f"{what}events have no field {name!r}{hint}")
    return found


def one(name: str, known: Sequence[Shown], what: str = "") -> Shown:
    """The field of exactly that name. Raises UsageError as `find` does."""
    found = find(name, known, what)
    if found[0].path != name:
        names = ", ".join(each.path for each in found)
        raise UsageError(f"{what}{name} is no field, but has some: {names}")
    return found[0]


def _word(word: str, known: Sequence[Shown]) -> tuple[str, list[tuple[str, Shown]]]:
    """The sign of a word of --fields, and the fields that it names with their headers."""
    sign = word[:1] if word[:1] in ("+", "-") else ""
    wanted = column(word[len(sign) :])
    found = find(wanted.field, known, "--fields: ")
    if len(found) == 1 and found[0].path == wanted.field:
        return sign, [(wanted.header, found[0])]
    return sign, [(column(each.path).header, each) for each in found]
