"""What an earlier run found out of a program, kept in the cache: its file isn't run, nothing is lowered.

Two things are kept. A program's outline is what is needed to read its command line and to show its events.
A build is what was loaded for some values of parameters, and where it was attached; it holds as long as this
kernel runs with the same modules. Both hold for the very files of pybpf that they were made by, as the sizes
and times of these tell, and for this Python. Only programs that come with pybpf are kept: another may ask its
surroundings when it is run, which no key can tell.
"""

from __future__ import annotations

import functools
import marshal
import os
import sys
import time
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pybpf import cache
from pybpf.gadget.gadget import Gadget
from pybpf.gadget.plain import from_plain, to_plain
from pybpf.load import Ready
from pybpf.spec import Function, ObjectSpec, Struct
from pybpf.spec.params import Param
from pybpf.sys import boot

__all__ = ["Build", "Channel", "Outline", "build", "keep_build", "keep_outline", "outline"]

# So many builds of a program lie in the cache at most; one more takes the place of some other.
_MOST = 8
# Folders of pybpf's with nothing that makes an outline or a build: there are many files.
_ELSEWHERE = ("__pycache__", "cli", "containers", "events", "inspect", "output", "recording", "vm")
# A file may change once more, in ns, without its time telling.
_SETTLED = 2_000_000_000


class Channel(NamedTuple):
    """How events come: the names of the map and of the heap, whose tail counts losses, and their layout."""

    name: str
    heap: str
    layout: Struct


class Outline(NamedTuple):
    """A program but for its probes; `description` is the first line of the file's docstring.

    `iterates`: it shows what its iterators write.
    """

    gadget: Gadget
    description: str
    params: tuple[Param, ...]
    events: Channel | None
    iterates: bool


class Build(NamedTuple):
    """The object as it was loaded, without its instructions; `symbols` are where it was attached, by place.

    `modules` are those whose types the programs are loaded for, with their builds' ids.
    """

    spec: ObjectSpec
    ready: Ready
    symbols: dict[tuple[str, Function], str]
    modules: dict[str, bytes]


def outline(path: str) -> Outline | None:
    """The outline of the program in a file; None when it isn't kept."""
    found: Outline | None = _load(f"{_stem(path)}.outline", _made_by(path))
    return found


def keep_outline(path: str, outline: Outline) -> None:
    """Keep it for the next run, if it can be."""
    _save(f"{_stem(path)}.outline", _made_by(path), path, outline)


def build(path: str, values: Mapping[str, Any], how: tuple[Any, ...]) -> Build | None:
    """What was loaded the last time for these values and wishes; None when it isn't kept or holds no more."""
    if _other_types():
        return None
    key = _key(path, values, how)
    found: Build | None = _load(_name(path, key), key)
    if found is None or any(boot.build_id(name) != id for name, id in found.modules.items()):
        return None
    return found


def keep_build(
    path: str,
    values: Mapping[str, Any],
    how: tuple[Any, ...],
    spec: ObjectSpec,
    ready: Ready,
    symbols: dict[tuple[str, Function], str],
) -> None:
    """Keep it for the next run, if it can be."""
    # Where the arguments of a USDT probe are may change with its file.
    if any(each.attach.kind.startswith("usdt") for each in spec.programs):
        return
    targets = (image.target for image in ready.images.values())
    modules = {target.module: boot.build_id(target.module) for target in targets if target and target.module}
    if _other_types() or not all(modules.values()):
        return
    programs = tuple(each._replace(code=()) for each in spec.programs)
    key = _key(path, values, how)
    _save(_name(path, key), key, path, Build(spec._replace(programs=programs), ready, symbols, modules))


def _other_types() -> bool:
    """Whether `pybpf.btf.use` was told of types that aren't the kernel's own."""
    source = sys.modules.get("pybpf.btf.source")
    return source is not None and source.replaced()


def _stem(path: str) -> str:
    return f"programs/{os.path.basename(path)}"


def _name(path: str, key: bytes) -> str:
    return f"{_stem(path)}.{zlib.crc32(key) % _MOST}"


def _key(path: str, values: Mapping[str, Any], how: tuple[Any, ...]) -> bytes:
    return _made_by(path) + repr((boot.identity(), sorted(values.items()), how)).encode()


def _made_by(path: str) -> bytes:
    return repr((sys.version, path, _sources(os.path.dirname(path)))).encode()


@functools.cache
def _sources(folder: str) -> tuple[int, int, int]:
    """What tells pybpf's files, and those in `folder`, from changed ones; the second is the latest time."""
    own = os.path.dirname(os.path.dirname(__file__))
    try:
        found = [*_files(own), *(() if folder.startswith(own) else _files(folder))]
    except OSError:  # what can't be looked at may change at any time
        return 0, sys.maxsize, 0
    text = "".join(f"{path} {size} {changed}\n" for path, size, changed in found)
    sizes = sum(size for _, size, _ in found)
    return zlib.crc32(text.encode(errors="surrogateescape")), max(each[2] for each in found), sizes


def _files(folder: str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.endswith((".py", ".btf")):
                info = entry.stat()
                yield entry.path, info.st_size, info.st_mtime_ns
            elif entry.is_dir(follow_symlinks=False) and entry.name not in _ELSEWHERE:
                yield from _files(entry.path)


def _load(name: str, key: bytes) -> Any:
    content = cache.load(name, key)
    return None if content is None else from_plain(marshal.loads(content))


def _save(name: str, key: bytes, path: str, value: Any) -> None:
    if _sources(os.path.dirname(path))[1] < time.time_ns() - _SETTLED:
        cache.save(name, key, marshal.dumps(to_plain(value)))
