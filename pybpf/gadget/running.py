"""A program in the kernel: lowered for this host, loaded, and attached once its reader is ready."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pybpf.errors import BpfError
from pybpf.events.timers import Chores
from pybpf.gadget.attach import Attachments
from pybpf.gadget.gadget import FILTER_MAP
from pybpf.gadget.host import HostBuild
from pybpf.gadget.privilege import FOLLOWING, give_up
from pybpf.load import Loaded, Program, load
from pybpf.spec import Flat, Function, ObjectSpec, Struct
from pybpf.spec.objects import DROPPED

if TYPE_CHECKING:
    from pybpf.gadget.mount_namespaces import Wanted
    from pybpf.link import Link

__all__ = ["Running", "filtered"]


class Running:
    """Owner of a program's maps, programs and attachments, from `with` to its end, whatever ends it.

    `values` are those of the program's parameters, by name; `wanted` are the mount namespaces and containers
    to trace, kept up to date by what is in `every`; `warn` is told of each function that can't be traced,
    which is an error when `strict`. Raises what loading and attaching raise.
    """

    def __init__(
        self,
        build: HostBuild,
        values: Mapping[str, Any],
        *,
        wanted: Wanted | None = None,
        strict: bool,
        warn: Callable[[str], None],
    ) -> None:
        self._build = build

        def told(text: str) -> None:
            build.keeping = False
            warn(text)

        spec = build.spec()
        # Before anything is loaded, which takes the most time.
        if build.kept is not None:
            self._attachments = Attachments(spec, symbols=build.kept.symbols, strict=strict, warn=told)
        else:
            impossible = build.backends.impossible
            self._attachments = Attachments(spec, impossible=impossible, strict=strict, warn=told)
        with contextlib.ExitStack() as owned:
            self._loaded = owned.enter_context(self._load(spec))
            self.maps = self._loaded.maps
            self.every: Chores = ()
            own = (values["mntns"],) if values.get("mntns") else ()
            if wanted:
                self._follow(wanted._replace(namespaces=(*wanted.namespaces, *own)), warn)
            elif own:
                self.maps[FILTER_MAP][own[0]] = 1
            owned.callback(self._attachments.close)
            self._owned = owned.pop_all()

    def _follow(self, wanted: Wanted, warn: Callable[[str], None]) -> None:
        from pybpf.gadget.mount_namespaces import Filter

        chosen = Filter(self.maps[FILTER_MAP], wanted, warn)
        if wanted.follows:
            self.every = ((chosen.PERIOD, chosen.update),)

    def _load(self, spec: ObjectSpec) -> Loaded:
        """Load it, for other back-ends when the kernel doesn't take it for these."""
        while True:
            needed = self._attachments.needed(spec)
            kept = self._build.kept
            try:
                return load(needed, kept and kept.ready)
            except BpfError as error:
                if kept is not None:  # it serves no more: the long way says why, or does it
                    self._build.kept = None
                elif not self._build.refused(error, needed):
                    raise
            spec = self._build.spec()

    def _instead(self, place: Function, symbol: str, why: str) -> list[Program]:
        """The programs of the next back-end for a function, once one has failed; none after the last."""
        self._build.keeping = False
        if not self._build.backends.fall_back(symbol, why):
            return []
        self._build.kept = None
        spec = self._build.spec()
        if any(each.data != self.maps[each.name].spec.data for each in spec.maps if each.name in self.maps):
            return []  # it would find other constants than its own
        return self._loaded.add(program for program in spec.programs if place in program.attach.functions)

    def attach(self) -> None:
        """Let the probes run."""
        self._attachments.attach(self._loaded, self._instead)
        self._build.keep(self._loaded.spec, self._loaded.ready, self._attachments.symbols)

    @property
    def backends(self) -> list[str]:
        """For people: which back-end serves which kernel functions, and why not a cheaper one."""
        return list(self._build.backends.lines())

    @property
    def dropped(self) -> dict[str, int]:
        """How often a map had no room for what a program put into it; of the maps of which that is so."""
        table = self.maps.get(DROPPED)
        if table is None:
            return {}
        layout = table.spec.value
        assert isinstance(layout, Struct)
        counts = Flat(layout).unpack(table.lookup(bytes(4)) or bytes(layout.size))
        return {field.name: count for field, count in zip(layout.fields, counts) if count}

    @property
    def missed(self) -> dict[str, int]:
        """How often programs could not run where they are attached, by place; see Session."""
        return self._attachments.missed()

    @property
    def links(self) -> list[Link]:
        """What its programs are attached by."""
        return self._attachments.links

    @property
    def attached(self) -> list[str]:
        """The kernel functions, and other places, that are traced."""
        return self._attachments.attached

    def give_up(self, keep: Iterable[str] = ()) -> frozenset[str]:
        """Drop all capabilities but `keep` and those that what is attached still needs; see `give_up`."""
        return give_up(self.maps.values(), [*keep, *(FOLLOWING if self.every else ())])

    def detach(self) -> None:
        """Take the probes off; what they have sent or counted can still be read."""
        self._attachments.close()

    def close(self) -> None:
        """End all: probes, programs, maps."""
        self._owned.close()

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def filtered(values: Mapping[str, Any], wanted: Wanted | None) -> Mapping[str, Any]:
    """The values with which a program asks for the mount namespaces that are wanted."""
    # Any number lets the filter in: which ones are wanted is in its map.
    return {"mntns": 1, **values} if wanted else values
