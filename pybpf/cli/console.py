"""Standard output and standard error while a command runs: what is shown, and what is said about it.

Where standard error is a terminal, its last line is a line of status. It's taken away before anything else is
written to that terminal, and drawn again below.
"""

from __future__ import annotations

import os
import sys
import time

from pybpf.gadget.output.form import Part

__all__ = ["Console"]

_CLEAR = "\r\x1b[K"
_HOME = "\x1b[H\x1b[J"
# Seconds between two drawings, at least.
_AGAIN = 0.1


class Console:
    """What a command prints through; `quiet` leaves warnings and output."""

    def __init__(self, *, quiet: bool = False) -> None:
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        self.quiet = quiet
        self.live = not quiet and sys.stderr.isatty()
        self.room = _columns(sys.stdout.fileno()) if sys.stdout.isatty() else None
        self._both = self.live and self.room is not None
        self._drawn = ""
        self._next = 0.0

    def write(self, part: Part) -> None:
        """Put a piece of output on standard output, at once."""
        if not part:
            return
        if self._both:
            self._clear()
        if isinstance(part, str):
            sys.stdout.write(part)
        else:
            sys.stdout.buffer.write(part)
        sys.stdout.flush()

    def page(self, part: Part) -> None:
        """The same of a text, in place of all that is on the terminal, if it's one."""
        self.write(f"{_HOME}{part!s}" if part and self.room is not None else part)

    def say(self, text: str) -> None:
        """Say something that is good to know."""
        if not self.quiet:
            self._print(text)

    def warn(self, text: str) -> None:
        """Say something that must be known."""
        self._print(f"warning: {text}")

    def status(self, text: str) -> None:
        """Draw the line of status, if it's time to: not more often than people can read."""
        now = time.monotonic()
        if not self.live or (text == self._drawn) or now < self._next:
            return
        self._next = now + _AGAIN
        self._drawn = text
        sys.stderr.write(f"{_CLEAR}{text[: _columns(sys.stderr.fileno()) - 1]}")
        sys.stderr.flush()

    def close(self) -> None:
        """Take the line of status away."""
        if self.live:
            self._clear()

    def _print(self, text: str) -> None:
        self.close()
        print(f"pybpf: {text}", file=sys.stderr, flush=True)

    def _clear(self) -> None:
        if self._drawn:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()
            self._drawn = ""


def _columns(fd: int) -> int:
    return os.get_terminal_size(fd).columns or 80
