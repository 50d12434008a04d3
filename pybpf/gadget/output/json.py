"""Events as JSON: one object a line, keys sorted, the field's dotted name as nested objects."""

from __future__ import annotations

import json
from collections.abc import Sequence
from json.encoder import encode_basestring_ascii
from typing import Any

from pybpf.events import Loss
from pybpf.gadget.clock import Clock
from pybpf.gadget.fields import Make, fields, rows
from pybpf.spec import Struct

__all__ = ["JsonLines"]


class JsonLines:
    r"""Makes lines from batches of decoded events.

    All is ASCII. A byte of a text that isn't UTF-8 is a lone surrogate (`\udc80` to `\udcff`), as Python's
    surrogateescape has it, so that it's not lost.
    """

    header = ""

    def __init__(self, layout: Struct, clock: Clock) -> None:
        tree: dict[str, Any] = {}
        for shown in fields(layout, clock):
            *parents, name = shown.path.split(".")
            place = tree
            for parent in parents:
                place = place.setdefault(parent, {})
            place[name] = shown
        self._plan: list[tuple[int, Make]] = []
        self._template = self._object(tree) + "\n"

    def _object(self, tree: dict[str, Any]) -> str:
        members = []
        for name, value in sorted(tree.items()):
            if isinstance(value, dict):
                text = self._object(value)
            else:
                self._plan.append((value.source, value.make(encode_basestring_ascii)))
                text = "%d" if value.text is None else "%s"
            members.append(f'"{name}":{text}')
        return "{" + ",".join(members) + "}"

    def lines(self, batch: Sequence[tuple[Any, ...]]) -> str:
        """The text of a batch, each line with its newline."""
        return "".join(map(self._template.__mod__, rows(batch, self._plan)))

    def lost(self, losses: Sequence[Loss]) -> str:
        """A line of the kind `lost` for each processor: `position` is how many events came before it."""
        records = ({"kind": "lost", **loss._asdict()} for loss in losses)
        return "".join(json.dumps(record, sort_keys=True) + "\n" for record in records)
