"""Programs by name or by file, and loading them from their file."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pybpf.errors import BpfError, LoweringError, ProgramNotFound, UsageError, near, near_names
from pybpf.gadget import kept
from pybpf.gadget.gadget import Gadget
from pybpf.gadget.kept import Channel, Outline
from pybpf.source import Location

if TYPE_CHECKING:
    from pybpf.dsl import Declarations, Map
    from pybpf.spec.params import Param

__all__ = ["Program", "find", "load", "shipped", "summary"]

_PACKAGE = os.path.dirname(os.path.dirname(__file__))


class Program:
    """A program by its outline; its file is run once its declarations are asked for.

    `lasting`: what is found out of it may be kept (see `kept`).
    """

    def __init__(
        self, path: str, outline: Outline, declarations: Declarations | None = None, *, lasting: bool = False
    ) -> None:
        self.path = path
        self.lasting = lasting
        self._outline = outline
        self._declarations = declarations

    @property
    def name(self) -> str:
        return self.gadget.name

    @property
    def iterates(self) -> bool:
        """Whether it shows what its iterators write."""
        return self._outline.iterates

    def report(self, values: Mapping[str, Any]) -> Map | None:
        """What it counts into when its parameters have these values; None when it shows events."""
        if self.gadget.hist and values.get("hist"):
            return next(each for each in self.declarations.maps if each.name == self.gadget.hist)
        return self.gadget.report

    @property
    def gadget(self) -> Gadget:
        return self._outline.gadget

    @property
    def description(self) -> str:
        """The first line of the file's docstring."""
        return self._outline.description

    @property
    def params(self) -> tuple[Param, ...]:
        return self._outline.params

    @property
    def events(self) -> Channel | None:
        """How its events come, if it has any."""
        return self._outline.events

    @property
    def declarations(self) -> Declarations:
        """Probes, maps, parameters. Raises what `load` raises."""
        if self._declarations is None:
            self._declarations = _declared(self.path)[1]
        return self._declarations


def shipped() -> dict[str, str]:
    """The files that come with pybpf, by name: from the wheel, or from `programs/` of a checkout."""
    folder = os.path.join(_PACKAGE, "programs")
    if not os.path.isdir(folder):
        folder = os.path.join(os.path.dirname(_PACKAGE), "programs")
    files = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    names = [name[:-3] for name in files if name.endswith(".py") and not name.startswith("_")]
    return {name: os.path.join(folder, f"{name}.py") for name in names}


def find(name: str) -> str:
    """The file of a program by its name, or by its path, which has a `/` or ends in `.py`.

    Raises ProgramNotFound with the names that are near.
    """
    if "/" in name or name.endswith(".py"):
        if not os.path.isfile(name):
            what = "is a folder, not a program" if os.path.isdir(name) else "there is no such file"
            raise ProgramNotFound(f"{name}: {what}", name)
        return os.path.normpath(name)
    known = shipped()
    if name in known:
        return known[name]
    if os.path.isfile(f"{name}.py"):
        cure = f"to run the file here, write ./{name}.py"
    else:
        cure = "`pybpf list` shows all; a file is given by its path, such as ./my_probe.py"
    best = near_names(name, known, most=1)  # all begin alike
    raise ProgramNotFound(f"no program {name!r}{near(name, best)}: {cure}", name)


def summary(path: str) -> str:
    """The first line of a file's docstring, found without running it."""
    import ast

    try:
        text = ast.get_docstring(ast.parse(_read(path)))
    except (OSError, SyntaxError, ValueError) as error:
        return f"(can't be read: {error})"
    return _first_line(text)


def load(name: str) -> Program:
    """Run a program's file, and collect what it declares, unless its outline is kept.

    Raises ProgramNotFound; LoweringError with the place of what is wrong in the file; UsageError when it's no
    program at all.
    """
    path = find(name)
    lasting = path in shipped().values()
    outline = kept.outline(path) if lasting else None
    if outline is not None:
        return Program(path, outline, lasting=lasting)
    outline, declarations = _declared(path)
    if lasting and outline.gadget.report is None:
        kept.keep_outline(path, outline)
    return Program(path, outline, declarations, lasting=lasting)


def _declared(path: str) -> tuple[Outline, Declarations]:
    from pybpf.dsl import collect

    module = _run(path)
    gadget = getattr(module, "gadget", None)
    if not isinstance(gadget, Gadget):
        name = module.__name__
        raise UsageError(f'{path} is no program: it has no `gadget = Gadget("{name}", columns="…")`')
    found = collect(module)
    if not found.probes:
        raise UsageError(f"{path} has no probes: a probe is a function with @kprobe(…) or @kretprobe(…)")
    iterates = all(probe.kind == "iterator" for probe in found.probes)
    if found.events is None and gadget.report is None and not iterates:
        raise UsageError(f"{path} has nothing to show: it declares no `Events`")
    if gadget.inflight and all(map.name != gadget.inflight for map in found.maps):
        names = near(gadget.inflight, (map.name for map in found.maps))
        raise UsageError(f"{path}: inflight={gadget.inflight!r} names no map of it{names}")
    events = found.events
    channel = None if events is None else Channel(events.name, events.heap, events.layout)
    return Outline(gadget, _first_line(module.__doc__), found.params, channel, iterates), found


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _first_line(docstring: str | None) -> str:
    return next(iter((docstring or "").strip().splitlines()), "")


def _run(path: str) -> ModuleType:
    import linecache

    module = ModuleType(os.path.splitext(os.path.basename(path))[0])
    module.__file__ = path
    linecache.checkcache(path)  # errors and lowering quote the file as it is now
    try:
        code = compile(_read(path), path, "exec", dont_inherit=True)
    except OSError as error:
        raise ProgramNotFound(f"{path}: {error.strerror}", path) from error
    except ValueError as error:  # a NUL byte, before Python 3.12
        raise LoweringError(f"this is no Python: {error}", Location(path, 1)) from error
    except SyntaxError as error:
        end = (error.end_offset or 0) if sys.version_info >= (3, 10) else 0
        place = Location(path, error.lineno or 1, max(1, error.offset or 1), end)
        raise LoweringError(f"this is no Python: {error.msg}", place) from error
    with _importable(os.path.dirname(path)):
        try:
            exec(code, module.__dict__)
        except LoweringError as error:
            if error.location is not None:
                raise
            raise LoweringError(error.message, _place(error, path)) from error
        except (Exception, SystemExit) as error:
            raise LoweringError(_message(error), _place(error, path)) from error
    return module


@contextlib.contextmanager
def _importable(folder: str) -> Iterator[None]:
    """Files beside a program can be imported while it runs; after all others, so that none is hidden."""
    entry = os.path.abspath(folder)
    sys.path.append(entry)
    try:
        yield
    finally:
        sys.path.remove(entry)


def _place(error: BaseException, path: str) -> Location | None:
    """The innermost line of the program's own file that an error came through."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == path]
    return Location(path, lines[-1]) if lines and lines[-1] else None


def _message(error: BaseException) -> str:
    if isinstance(error, BpfError):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        return f"{error}: install it for {sys.executable}, or put it beside this file"
    return f"{type(error).__name__}: {error}"
