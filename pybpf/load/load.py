"""From a spec to the kernel: all of its maps and programs, or nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from types import TracebackType

from pybpf import maps
from pybpf.load.debug_info import DebugInfo
from pybpf.load.program import Program, load_program
from pybpf.load.ready import Ready, prepare
from pybpf.maps import Map
from pybpf.spec import ObjectSpec, ProgramSpec

__all__ = ["Loaded", "load"]


class Loaded:
    """Owner of all programs and maps of an object, by their names; `close()` or leaving `with` lets go.

    A program stays in the kernel as long as a link holds it, and a map as long as a program does.
    """

    def __init__(
        self, spec: ObjectSpec, ready: Ready, maps: dict[str, Map], owned: contextlib.ExitStack
    ) -> None:
        self.spec = spec
        self.ready = ready
        self.maps = maps
        self.programs: dict[str, Program] = {}
        self._owned = owned

    def add(self, specs: Iterable[ProgramSpec]) -> list[Program]:
        """Load programs of the same object, on its maps. Raises what `load_program` raises."""
        specs = tuple(specs)
        return self._add(specs, prepare(specs, self.spec.maps))

    def _add(self, specs: Iterable[ProgramSpec], ready: Ready) -> list[Program]:
        descriptors = {name: each.fileno() for name, each in self.maps.items()}
        added = []
        with DebugInfo(ready.debug) as debug:
            for each in specs:
                program = load_program(
                    each, descriptors, debug.fields.get(each.name), ready.images[each.name]
                )
                self.programs[each.name] = self._owned.enter_context(program)
                added.append(program)
        return added

    def close(self) -> None:
        self._owned.close()

    def __enter__(self) -> Loaded:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def load(spec: ObjectSpec, ready: Ready | None = None) -> Loaded:
    """Make the maps, then load the programs, in the order of the spec; `ready` is what `prepare` gave for it.

    Raises what `maps.create` and `load_program` raise; then nothing is left in the kernel.
    """
    ready = ready or prepare(spec.programs, spec.maps)
    with contextlib.ExitStack() as undo:
        owned = undo.enter_context(contextlib.ExitStack())
        made = {
            each.name: owned.enter_context(maps.create(each, ready.types.get(each.name)))
            for each in spec.maps
        }
        loaded = Loaded(spec, ready, made, owned)
        loaded._add(spec.programs, ready)
        undo.pop_all()
        return loaded
