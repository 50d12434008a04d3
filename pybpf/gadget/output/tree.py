"""Objects inside of objects, by the dotted names of fields: what JSON and YAML have in common.

The text of an event is a template that its values are put into, so that it's made at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Union

from pybpf.events import Loss
from pybpf.gadget.fields import Brief, Make, Shown, rows
from pybpf.gadget.output.form import Form

__all__ = ["TreeForm"]

Tree = dict[str, Union[Shown, "Tree"]]


class TreeForm(Form):
    """Texts of events with the keys of each object sorted. A class of it says how these are written.

    A field that not every event has is left out where it's missing, and so is an object without fields. Of
    one object, such fields are all made from one value of the event.
    """

    # Between two members of an object.
    comma = ""

    def __init__(self, fields: Iterable[Shown]) -> None:
        tree: Tree = {}
        for shown in fields:
            *parents, name = shown.path.split(".")
            place: Any = tree
            for parent in parents:
                place = place.setdefault(parent, {})
            place[name] = shown
        self._plan: list[tuple[int, Make]] = []
        self._template = self.document(self._whole(tree))

    def document(self, text: str) -> str:
        """The text of an object as one event."""
        raise NotImplementedError

    def whole(self, members: str, depth: int) -> str:
        """An object; it lies inside of `depth` others."""
        raise NotImplementedError

    def member(self, name: str, value: str, depth: int) -> str:
        """A member of such an object."""
        raise NotImplementedError

    def text(self, text: str) -> str:
        """A text as a value."""
        raise NotImplementedError

    def _whole(self, tree: Tree) -> str:
        if not _optional(tree):
            return self._object(tree, 0)
        make = Brief(lambda value: self.whole(self._present(tree, value, 0), 0))
        self._plan.append((_source(tree), make))
        return "%s"

    def _object(self, tree: Tree, depth: int) -> str:
        """The template of an object that has members in every event."""
        members, always = "", False
        for name, value in sorted(tree.items()):
            if _optional(value):
                self._plan.append((_source(value), self._maybe({name: value}, depth, before=not always)))
                members += "%s"
                continue
            if isinstance(value, dict):
                text = self._object(value, depth + 1)
            else:
                self._plan.append((value.source, value.make(self.text)))
                text = "%d" if value.text is None else "%s"
            members += self.comma * always + self.member(name, text, depth)
            always = True
        return self.whole(members, depth)

    def _maybe(self, tree: Tree, depth: int, *, before: bool) -> Make:
        """What makes a member, with its comma, where the event has it."""

        def make(value: Any) -> str:
            text = self._present(tree, value, depth)
            if not text:
                return ""
            return text + self.comma if before else self.comma + text

        return Brief(make)

    def _present(self, tree: Tree, value: Any, depth: int) -> str:
        """The members that are there for a value, none of which must be."""
        found = []
        for name, each in sorted(tree.items()):
            if isinstance(each, dict):
                inner = self._present(each, value, depth + 1)
                if inner:
                    found.append(self.member(name, self.whole(inner, depth + 1), depth))
            else:
                text = each.text(value) if each.text else None
                if text is not None:
                    found.append(self.member(name, self.text(text), depth))
        return self.comma.join(found)

    def lines(self, batch: Sequence[tuple[Any, ...]]) -> str:
        return "".join(map(self._template.__mod__, rows(batch, self._plan)))

    def lost(self, losses: Sequence[Loss]) -> str:
        """A record of the kind `lost` for each processor: `position` is how many events came before it."""
        return "".join(self.record({"kind": "lost", **loss._asdict()}) for loss in losses)

    def record(self, values: Mapping[str, int | str]) -> str:
        """Something that is no event: texts and numbers by name."""
        members = (
            self.member(name, self.text(value) if isinstance(value, str) else str(value), 0)
            for name, value in sorted(values.items())
        )
        return self.document(self.whole(self.comma.join(members), 0))


def _optional(tree: Tree | Shown) -> bool:
    """Is there nothing in it that every event has?"""
    return all(map(_optional, tree.values())) if isinstance(tree, dict) else tree.optional


def _source(tree: Tree | Shown) -> int:
    return tree.source if isinstance(tree, Shown) else _source(next(iter(tree.values())))
