"""From a spec to the kernel: all of its maps and programs, or nothing."""

from __future__ import annotations

import contextlib
from types import TracebackType

from pybpf import maps
from pybpf.load.debug_info import DebugInfo
from pybpf.load.program import Program, load_program
from pybpf.maps import Map
from pybpf.spec import ObjectSpec

__all__ = ["Loaded", "load"]


class Loaded:
    """Owner of all programs and maps of an object, by their names; `close()` or leaving `with` lets go.

    A program stays in the kernel as long as a link holds it, and a map as long as a program does.
    """

    def __init__(
        self,
        spec: ObjectSpec,
        maps: dict[str, Map],
        programs: dict[str, Program],
        owned: contextlib.ExitStack,
    ) -> None:
        self.spec = spec
        self.maps = maps
        self.programs = programs
        self._owned = owned

    def close(self) -> None:
        self._owned.close()

    def __enter__(self) -> Loaded:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def load(spec: ObjectSpec) -> Loaded:
    """Make the maps, then load the programs, in the order of the spec.

    Raises what `maps.create` and `load_program` raise; then nothing is left in the kernel.
    """
    with contextlib.ExitStack() as owned:
        made = {each.name: owned.enter_context(maps.create(each)) for each in spec.maps}
        descriptors = {name: each.fileno() for name, each in made.items()}
        programs = {}
        with DebugInfo(spec.programs) as debug:
            for each in spec.programs:
                program = load_program(each, descriptors, debug.fields.get(each.name))
                programs[each.name] = owned.enter_context(program)
        return Loaded(spec, made, programs, owned.pop_all())
