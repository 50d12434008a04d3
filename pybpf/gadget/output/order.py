"""The order of events by some of their fields, as `--sort op,-delta_us` has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from pybpf.gadget.fields import Shown
from pybpf.gadget.select import one

__all__ = ["Key", "keys", "ordered"]


class Key(NamedTuple):
    """What events are sorted by: what is made of them, and whether the greatest is first."""

    of: Callable[[tuple[Any, ...]], Any]
    down: bool


def keys(text: str, known: Sequence[Shown]) -> list[Key]:
    """The fields named with commas between them; `-` before a name puts the greatest first."""
    found = []
    for word in text.split(","):
        name = word.strip()
        down = name.startswith("-")
        found.append(Key(_value(one(name[down:], known, "--sort: ")), down))
    return found


def _value(shown: Shown) -> Callable[[tuple[Any, ...]], Any]:
    source, text = shown.source, shown.text
    # A number's order is that of what it's made from; so is that of times.
    if text is None or getattr(shown.layout, "role", "") == "timestamp":
        return lambda event: event[source]
    return lambda event: text(event[source]) or ""


def ordered(
    events: Iterable[tuple[Any, ...]], keys: Sequence[Key], top: int | None = None
) -> list[tuple[Any, ...]]:
    """The events in order, or the first `top` of them; what is alike stays as it came."""
    found = list(events)
    for key in reversed(keys):
        found.sort(key=key.of, reverse=key.down)
    return found[:top]
