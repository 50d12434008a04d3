"""Small files of /proc, /sys and tracefs."""

from __future__ import annotations

__all__ = ["read_bytes", "read_text"]


def read_bytes(path: str) -> bytes:
    """The whole content; empty when the file isn't there or can't be read."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def read_text(path: str) -> str:
    """The same as text, without the white space around it."""
    return read_bytes(path).decode("utf-8", "surrogateescape").strip()
