"""Texts from the kernel made fit for a terminal."""

from __future__ import annotations

__all__ = ["escape", "fit", "width"]


def escape(text: str) -> str:
    r"""Show what a terminal would obey or hide: `\x1b`, `\n`, `\u202e`; a byte that isn't UTF-8 as `\xff`."""
    if text.isascii() and text.isprintable():
        return text
    # A mark with nothing before it would be put on what stands before the text.
    marked = "".join(map(_escape, text))
    return marked if not marked or _cells(marked[0]) else _code(marked[0]) + marked[1:]


def _escape(char: str) -> str:
    if char.isprintable():
        return char
    if "\udc80" <= char <= "\udcff":  # surrogateescape's form of a byte
        return f"\\x{ord(char) - 0xDC00:02x}"
    return _code(char)


def _code(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def width(text: str) -> int:
    """How many cells of a terminal a text takes."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(char: str) -> int:
    import unicodedata

    # Marks, and the vowels and final consonants of Hangul, are put on what stands before them.
    if unicodedata.category(char) in ("Mn", "Me") or "\u1160" <= char <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def fit(text: str, cells: int) -> str:
    """The text escaped, cut with `…` if it's longer than `cells`, and filled up with spaces to the right."""
    text = escape(text)
    room = cells - width(text)
    if room < 0:
        kept, taken = "", 0
        for char in text:
            taken += _cells(char)
            if taken >= cells:
                break
            kept += char
        text = f"{kept}…"
        room = cells - width(text)
    return text + " " * room
