"""What all forms of output have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Union

from pybpf.events import Loss

__all__ = ["Form", "Part"]

# A piece of output: bytes where it is no text.
Part = Union[str, bytes]


class Form:
    """A form of output: `header` comes first, then what these make. All of it may be empty.

    The header is `repeated` before what is shown in one piece, if people can't do without it.
    """

    header: Part = ""
    repeated = False

    def lines(self, batch: Sequence[tuple[Any, ...]]) -> Part:
        """Decoded events, as they come."""
        raise NotImplementedError

    def lost(self, losses: Sequence[Loss]) -> Part:
        """Word of events that were lost, where the form has a place for it."""
        return ""

    def turn(self) -> Part:
        """What is held back until an interval, or all, is over."""
        return ""
