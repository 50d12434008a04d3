"""What was found out of a kernel, shown to people: what works, what doesn't, why, and what to do."""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TextIO

from pybpf.features import Feature
from pybpf.gadget.text import escape, width

__all__ = ["Style", "show", "style_of", "verdict"]

# Longer names don't push the texts of all others to the right.
_NAME = 32
_GAP = "  "
_COLOURS = {True: "32", False: "31", None: "33"}


class Style(NamedTuple):
    """`marks` for what works, doesn't, and isn't known; in `colours`; lines of so many cells."""

    marks: tuple[str, str, str]
    colours: bool
    columns: int

    def mark(self, state: bool | None) -> str:
        text = self.marks[(True, False, None).index(state)]
        return f"\x1b[{_COLOURS[state]}m{text}\x1b[m" if self.colours else text


def style_of(stream: TextIO) -> Style:
    """Colours on a terminal only (and not with NO_COLOR); signs that the encoding has."""
    terminal = stream.isatty()
    colours = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"
    try:
        "✓✗".encode(stream.encoding)
    except (UnicodeEncodeError, LookupError):
        marks = ("+", "-", "?")
    else:
        marks = ("✓", "✗", "?")
    return Style(marks, colours, max(40, shutil.get_terminal_size((100, 24)).columns if terminal else 100))


def show(title: str, features: Iterable[Feature], style: Style) -> str:
    """A group, or nothing when nothing is in it.

    Those of which there is nothing to say stand in one line, and so do those with the same reason.
    """
    rows: dict[tuple[bool | None, str, str], list[str]] = {}
    for each in features:
        key = (each.state, escape(each.value if each else each.why), each.name if each and each.value else "")
        rows.setdefault(key, []).append(_name(each))
    if not rows:
        return ""
    found = [(state, escape(", ".join(names)), said) for (state, said, _), names in rows.items()]
    room = max((width(name) for _, name, said in found if said and width(name) <= _NAME), default=0)
    lines = [title]
    for state, name, said in found:
        lines += _lines(name, said, room, style.columns, style.mark(state))
    return "\n".join(lines) + "\n"


def verdict(state: bool | None, said: str, style: Style) -> str:
    """The last word."""
    return "\n".join(_wrapped(escape(said), f"{style.mark(state)} ", 2, style.columns)) + "\n"


def _name(feature: Feature) -> str:
    """With the kernel that brought it, where that may be what is missing."""
    return f"{feature.name} ({feature.since})" if feature.state is False and feature.since else feature.name


def _lines(name: str, said: str, room: int, columns: int, mark: str) -> Sequence[str]:
    first, indent = f"{_GAP}{mark} ", len(_GAP) + 2
    if not said:
        return _wrapped(name, first, indent, columns)
    if width(name) > room:
        return [
            *_wrapped(f"{name}:", first, indent, columns),
            *_wrapped(said, " " * (indent + 2), indent + 2, columns),
        ]
    start = first + name + " " * (room - width(name)) + _GAP
    return _wrapped(said, start, indent + room + len(_GAP), columns)


def _wrapped(text: str, start: str, indent: int, columns: int) -> list[str]:
    lines = textwrap.wrap(text, max(20, columns - indent), break_long_words=False, break_on_hyphens=False)
    return [(start if number == 0 else " " * indent) + line for number, line in enumerate(lines)]
