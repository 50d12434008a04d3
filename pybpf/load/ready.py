"""What of loading an object takes work, but no map and no program: done ahead, and kept by who wants to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pybpf.load.attach_target import Target, target_of
from pybpf.load.debug_info import Debug, describe
from pybpf.load.kernel_functions import kernel_function
from pybpf.maps.typed import MapTypes, map_types
from pybpf.spec import MapSpec, ProgramSpec

__all__ = ["Image", "Ready", "image_of", "prepare"]


class Image(NamedTuple):
    """A program's bytes for this kernel, but for the descriptors of maps: `maps` are the places, by offset.

    `target` is what a tracing program is loaded for.
    """

    code: bytes
    maps: tuple[tuple[int, str], ...]
    target: Target | None

    def linked(self, descriptors: Mapping[str, int]) -> bytes:
        """The bytes with the maps' descriptors in their places."""
        code = bytearray(self.code)
        for at, name in self.maps:
            code[at : at + 4] = descriptors[name].to_bytes(4, "little")
        return bytes(code)


class Ready(NamedTuple):
    """Images of programs and types of maps, by name, and the BTF of the programs."""

    images: dict[str, Image]
    types: dict[str, MapTypes]
    debug: Debug


def image_of(spec: ProgramSpec, maps: Iterable[str]) -> Image:
    """A program's image; `maps` are the names of those that there are.

    Raises LoadError, and asm's errors for a symbol that isn't known.
    """
    from pybpf.asm import MapRef, MapValueRef, link

    places = []
    at = 0
    for statement in spec.code:
        if isinstance(statement.ref, (MapRef, MapValueRef)):
            places.append((at + 4, statement.ref.name))  # the imm of struct bpf_insn
        at += 8 * statement.insn.slots
    return Image(link(spec.code, dict.fromkeys(maps, 0), kernel_function), tuple(places), target_of(spec))


def prepare(programs: Iterable[ProgramSpec], maps: Iterable[MapSpec]) -> Ready:
    """Raises what `image_of` raises."""
    programs, maps = tuple(programs), tuple(maps)
    names = [each.name for each in maps]
    types = {each.name: map_types(each) for each in maps}
    return Ready(
        {each.name: image_of(each, names) for each in programs},
        {name: found for name, found in types.items() if found is not None},
        describe(programs),
    )
