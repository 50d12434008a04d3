"""A line of assembly to tokens."""

from __future__ import annotations

import re
from typing import NamedTuple

from pybpf.errors import AsmError

__all__ = ["Token", "tokenize"]


class Token(NamedTuple):
    """A word of a line. `column` counts from 1.

    `kind` is `r` or `w` (a register; `value` its number), `number`, `name`, or the text itself.
    """

    kind: str
    text: str
    column: int
    value: int = 0

    @property
    def signed(self) -> bool:
        """Whether a number was written with its sign."""
        return self.text[0] in "+-"


_TOKEN = re.compile(
    r"""\s*(?:
    (?P<register>[rw][0-9]{1,9}(?![\w.$])) |
    (?P<signed>s(?:>>=|/=|%=|>=|<=|>|<)) |
    (?P<number>(?:\+\s*-|[+-])?\s*(?:0[xX][0-9a-fA-F]+|[0-9]+)(?![\w.$])) |
    (?P<name>[0-9]*[A-Za-z_.$][\w.$]*) |
    (?P<sign><<=|>>=|[-+*/%&|^=!<>]=|[][(),*&#:<>=+-])
    )""",
    re.VERBOSE | re.ASCII,
)

# No operand has more than 64 bits; Python itself refuses to read decimal numbers of thousands of digits.
_LONGEST_NUMBER = 40


def tokenize(text: str, column: int = 1) -> list[Token]:
    """The tokens of a text that starts at `column` of its line. Raises `AsmError` (without the line)."""
    tokens = []
    position = 0
    end = len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            position += len(text[position:]) - len(text[position:].lstrip())
            raise AsmError(f"unexpected {text[position]!r}", 0, column + position)
        kind = str(match.lastgroup)
        word = match[kind]
        at = column + match.start(kind)
        if kind == "register":
            tokens.append(Token(word[0], word, at, int(word[1:])))
        elif kind == "number":
            if len(word) > _LONGEST_NUMBER:
                raise AsmError("a number of more than 64 bits", 0, at)
            digits = re.sub(r"\s|\+", "", word)
            tokens.append(Token("number", word, at, int(digits, 16 if "x" in digits.lower() else 10)))
        else:
            tokens.append(Token("name" if kind == "name" else word, word, at))
        position = match.end()
    return tokens
