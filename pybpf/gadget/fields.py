"""What an event shows: named fields, made from the values that its layout decodes to.

Most are the layout's own. A number with a role has a second field beside it: `timestamp` and
`timestamp_raw`, `op` and `op_raw`, `uid` and `user`, `gid` and `group`. Enrichers add what isn't in the
event, but found by it.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Optional

from pybpf.errors import UsageError
from pybpf.events.decode import text
from pybpf.gadget.clock import Clock
from pybpf.gadget.net import Address, address_text
from pybpf.spec import CString, Field, Int, Struct
from pybpf.sys.devices import block_device

__all__ = ["Brief", "Enrich", "Make", "Shown", "fields", "rows"]

# What is done to a value of a decoded event before it's put into a line; None: nothing.
Make = Optional[Callable[[Any], Any]]


class Brief(dict[Any, str]):
    """What is made of values, remembered while one batch is shown: of what is the same for many events."""

    def __init__(self, make: Callable[[Any], str]) -> None:
        self._make = make

    def __missing__(self, value: Any) -> str:
        text = self[value] = self._make(value)
        return text

    def __call__(self, value: Any) -> str:
        return self[value]


class Shown(NamedTuple):
    """A field: its dotted `path`, and which value of a decoded event is its `source`.

    It's a number (`number` makes it from the value, if it must be made) unless `text` makes a text of it,
    which is None for an event that has no such field (`optional`). A text that is `lasting` is remembered:
    the same value always gives the same text; one that is `local` says what the value means on this machine
    alone.
    """

    path: str
    source: int
    layout: CString | Int | Address
    text: Callable[[Any], str | None] | None = None
    number: Callable[[int], int] | None = None
    lasting: bool = True
    optional: bool = False
    local: bool = False

    def make(self, finish: Callable[[str], str]) -> Make:
        """How to make what is shown; a text goes through `finish` last, an empty one where there is none."""
        text = self.text
        if text is None:
            return self.number
        if self.optional:
            return Brief(lambda value: finish(text(value) or ""))
        if not self.lasting:
            return lambda value: finish(text(value) or "")
        return functools.lru_cache(maxsize=4096)(lambda value: finish(text(value) or ""))


# Fields that are added to those of a layout, such as those of the container that a process is in.
Enrich = Callable[[Struct], Iterable[Shown]]


def rows(batch: Sequence[tuple[Any, ...]], plan: Iterable[tuple[int, Make]]) -> Iterator[tuple[Any, ...]]:
    """From decoded events the values to show, made a column at a time: (source, make) for each."""
    if not batch:
        return iter(())
    columns = tuple(zip(*batch))
    return zip(*(_made(columns[source], make) for source, make in plan))


def _made(column: tuple[Any, ...], make: Make) -> Iterable[Any]:
    if isinstance(make, Brief):
        make.clear()
        return map(make.__getitem__, column)
    return column if make is None else map(make, column)


def fields(layout: Struct, clock: Clock, enrich: Iterable[Enrich] = ()) -> list[Shown]:
    """All fields of an event, in the order of its layout, and those that are added.

    Raises UsageError for a layout that has no text.
    """
    found = [shown for index, leaf in enumerate(layout.leaves()) for shown in _fields(index, leaf, clock)]
    return [*found, *(shown for added in enrich for shown in added(layout))]


def _fields(index: int, leaf: Field, clock: Clock) -> Iterator[Shown]:
    name, layout, _ = leaf
    if isinstance(layout, CString):
        yield Shown(name, index, layout, text)
    elif isinstance(layout, Address):
        yield Shown(name, index, layout, address_text)
    elif not isinstance(layout, Int):
        raise UsageError(f"the field {name} is a {layout.name}: fields are numbers and texts")
    elif layout.role == "timestamp":
        yield Shown(name, index, layout, clock.text, lasting=False)
        yield Shown(f"{name}_raw", index, layout, number=clock.wall)
    elif layout.names is not None:
        yield Shown(name, index, layout, _named(layout.names))
        yield Shown(f"{name}_raw", index, layout)
    elif layout.role == "device":
        yield Shown(name, index, layout, block_device, local=True)
        yield Shown(f"{name}_raw", index, layout)
    else:
        yield Shown(name, index, layout)
        if layout.role in _ACCOUNTS:
            sibling, find = _ACCOUNTS[layout.role]
            yield Shown(name[: name.rfind(".") + 1] + sibling, index, layout, find, local=True)


def _named(kind: type[enum.IntEnum | enum.IntFlag]) -> Callable[[int], str]:
    """The name of a value; of flags, those of its bits: `O_WRONLY|O_CREAT`, and what has none as a number."""
    members: dict[int, str] = {}
    for name, member in kind.__members__.items():
        members.setdefault(int(member), name)
    if issubclass(kind, enum.IntEnum):
        return lambda value: members.get(value, str(value))
    # Those of several bits first: O_SYNC has the bit of O_DSYNC.
    flags = sorted(members, key=lambda flag: -bin(flag).count("1"))

    def words(value: int) -> str:
        found = []
        for flag in flags:
            if flag and value & flag == flag:
                found.append(flag)
                value ^= flag
        names = [members[flag] for flag in sorted(found)] + [hex(value)] * (value > 0)
        return "|".join(names) or members.get(0, "0")

    return words


def _user(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return str(uid)


def _group(gid: int) -> str:
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except (KeyError, OverflowError):
        return str(gid)


_ACCOUNTS: dict[str, tuple[str, Callable[[int], str]]] = {"uid": ("user", _user), "gid": ("group", _group)}
