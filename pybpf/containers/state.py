"""The files in which runtimes keep what they know of a container: JSON, and not to be trusted.

A container can't write them, but what it is named is in them, and of a user's own containers the user can
write all.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from typing import Any

__all__ = ["Fields", "read", "read_all"]

_LARGEST = 16 << 20  # bytes
_LONGEST = 256  # characters of a name: no runtime allows longer ones


class Fields:
    """A JSON object of which any part may be missing or of another type."""

    def __init__(self, value: Any) -> None:
        self._value = value if isinstance(value, dict) else {}

    def __bool__(self) -> bool:
        return bool(self._value)

    def __getitem__(self, name: str) -> Fields:
        return Fields(self._value.get(name))

    def text(self, *names: str, limit: int = _LONGEST) -> str:
        """The first of these members that is a text which isn't empty; cut when it's longer than any name."""
        texts = (self._value.get(name) for name in names)
        return next((text[:limit] for text in texts if isinstance(text, str) and text), "")

    def inner(self, name: str) -> Fields:
        """The object that a member has as JSON in a text."""
        return Fields(_parse(self.text(name, limit=_LARGEST)))

    def number(self, name: str) -> int:
        value = self._value.get(name)
        return value if isinstance(value, int) else 0

    def texts(self, name: str) -> list[str]:
        value = self._value.get(name)
        return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def read(path: str) -> Fields:
    """The object in a file; an empty one when there is none that can be read."""
    return Fields(_load(path))


def read_all(path: str) -> Iterator[Fields]:
    """The objects of the list in a file."""
    value = _load(path)
    return map(Fields, value) if isinstance(value, list) else iter(())


def _load(path: str) -> Any:
    # Neither a link's target, nor what a pipe or a device holds without end.
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (OSError, ValueError):
        return None
    with open(fd, "rb") as file:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode) or info.st_size > _LARGEST:
            return None
        try:
            return _parse(file.read(_LARGEST))
        except OSError:
            return None


def _parse(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
