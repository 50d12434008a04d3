"""The table's texts as a tree, by which a line is read token by token.

Each text of the table, with its holes filled by a sample, is a path of tokens; a line that follows a path to
an end is one of the instructions there. Where a line leaves all paths is the place of the error, and the ways
on from there are what was expected.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from pybpf.asm.lexer import Token, tokenize
from pybpf.errors import AsmError, near_names
from pybpf.isa import OPS, Op

__all__ = ["Form", "forms"]


class Form(NamedTuple):
    """An instruction at the end of a path: `holes` by position of token; `fixed` registers likewise."""

    op: Op
    holes: tuple[tuple[int, str], ...]
    fixed: tuple[tuple[int, int], ...]


class _Node:
    __slots__ = ("forms", "holes", "words")

    def __init__(self) -> None:
        self.words: dict[str, _Node] = {}
        self.holes: dict[str, tuple[_Node, str]] = {}
        self.forms: list[Form] = []


# Holes that can be filled in several ways.
_WAYS = {
    "target": ("pc{distance}", "{distance}", "{label}"),
    # bpftool says the address or name of what is called.
    "function": ("pc{distance}", "pc{distance}#{symbol}", "pc{distance}#{address}"),
    "helper": ("{callee}#{id}", "{callee}", "{id}", "{address}#{id}"),
    "btf_fd": ("", " btf[{fd}]"),
}
# What stands in a simple hole, to find its kind of token, and how errors call it.
_SAMPLES = {
    "dst": ("1", "a register (r0 to r10)"),
    "src": ("1", "a register (r0 to r10)"),
    "offset": ("+1", "an offset, such as '+8'"),
    "signed": ("+1", "an offset, such as '+8'"),
    "high": ("+1", "an offset, such as '+8'"),
    "distance": ("+1", "a distance, such as '+3'"),
    "label": ("x", "a label"),
    "callee": ("x", "a function"),
    "name": ("x", "a name"),
    "symbol": ("x", "a name"),
}
_NUMBER = ("1", "a number")
_MOST_NAMES = 6
_HOLE = re.compile(r"\{(\w+)\}")


def forms(tokens: list[Token], end: int) -> list[Form]:
    """All instructions that these tokens can be, the usual one first; `end` is the column after the last.

    Raises `AsmError` (without the line) that says what was expected.
    """
    furthest = 0
    stops: list[_Node] = []

    def walk(node: _Node, position: int) -> list[Form]:
        nonlocal furthest
        if position == len(tokens):
            if node.forms:
                return node.forms
        else:
            token = tokens[position]
            for next_node in (node.words.get(token.text), node.holes.get(token.kind, (None,))[0]):
                found = walk(next_node, position + 1) if next_node is not None else []
                if found:
                    return found
        if position >= furthest:
            if position > furthest:
                stops.clear()
            furthest = position
            stops.append(node)
        return []

    found = walk(_tree(), 0)
    if found:
        return found
    if furthest == len(tokens):
        raise AsmError(f"the line ends here, expected {_expected(stops, '')}", 0, end)
    token = tokens[furthest]
    raise AsmError(f"found {token.text!r}, expected {_expected(stops, token.text)}", 0, token.column)


def _expected(stops: list[_Node], found: str) -> str:
    # What may stand here; of very many words those that are most like what was found.
    things = {what: None for node in stops for _, what in node.holes.values()}
    words = {word: None for node in stops for word in node.words}
    signs = [word for word in words if not word[0].isalpha()]
    names = [word for word in words if word[0].isalpha()]
    if len(names) > _MOST_NAMES:
        names = near_names(found, names) or [*names[:_MOST_NAMES], "…"]
    things.update(dict.fromkeys(word if word == "…" else repr(word) for word in (*signs, *names)))
    if any(node.forms for node in stops):
        things["the end of the line"] = None
    *most, last = things
    return f"{', '.join(most)} or {last}" if most else last


@cache
def _tree() -> _Node:
    root = _Node()
    for op in OPS:
        for text in (op.text, op.symbol, *op.also):
            for way in _ways(text) if text else ():
                _add(root, op, way)
    return root


def _ways(text: str) -> Iterator[str]:
    # Each way of filling the holes that have several.
    parts = _HOLE.split(text)
    choices = [
        (part,) if index % 2 == 0 else _WAYS.get(part, (f"{{{part}}}",)) for index, part in enumerate(parts)
    ]
    return map("".join, itertools.product(*choices))


def _add(root: _Node, op: Op, text: str) -> None:
    sample, places = "", {}
    for index, part in enumerate(_HOLE.split(text)):
        if index % 2:
            places[len(sample) + 1] = part
            part = _SAMPLES.get(part, _NUMBER)[0]
        sample += part
    node = root
    holes, fixed = [], []
    for position, token in enumerate(tokenize(sample)):
        register = token.kind in ("r", "w")
        hole = places.get(token.column + register)
        if hole is not None or register:
            what = _SAMPLES.get(hole or "dst", _NUMBER)[1]
            if token.kind == "w":
                what = "a register (w0 to w10)"
            node = node.holes.setdefault(token.kind, (_Node(), what))[0]
        else:
            node = node.words.setdefault(token.text, _Node())
        if hole is not None:
            holes.append((position, hole))
        elif register:
            fixed.append((position, token.value))
    node.forms.append(Form(op, tuple(holes), tuple(fixed)))
