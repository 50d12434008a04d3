"""Programs by name or by file, and loading them from their file."""

from __future__ import annotations

import ast
import contextlib
import linecache
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from pybpf.dsl import Declarations, collect
from pybpf.errors import BpfError, LoweringError, ProgramNotFound, UsageError, near, near_names
from pybpf.gadget.gadget import Gadget
from pybpf.source import Location

if TYPE_CHECKING:
    from pybpf.dsl import Map

__all__ = ["Program", "find", "load", "shipped", "summary"]

_PACKAGE = Path(__file__).parents[1]


class Program(NamedTuple):
    """A program as its file declares it; `description` is the first line of the file's docstring."""

    gadget: Gadget
    declarations: Declarations
    description: str

    @property
    def name(self) -> str:
        return self.gadget.name

    @property
    def iterates(self) -> bool:
        """Whether it shows what its iterators write."""
        return all(probe.kind == "iterator" for probe in self.declarations.probes)

    def report(self, values: Mapping[str, Any]) -> Map | None:
        """What it counts into when its parameters have these values; None when it shows events."""
        if self.gadget.hist and values.get("hist"):
            return next(each for each in self.declarations.maps if each.name == self.gadget.hist)
        return self.gadget.report


def shipped() -> dict[str, Path]:
    """The programs that come with pybpf, by name: from the wheel, or from `programs/` of a checkout."""
    folder = _PACKAGE / "programs"
    if not folder.is_dir():
        folder = _PACKAGE.parent / "programs"
    return {path.stem: path for path in sorted(folder.glob("[!_]*.py"))}


def find(name: str) -> Path:
    """The file of a program by its name, or by its path, which has a `/` or ends in `.py`.

    Raises ProgramNotFound with the names that are near.
    """
    if "/" in name or name.endswith(".py"):
        path = Path(name)
        if not path.is_file():
            what = "is a folder, not a program" if path.is_dir() else "there is no such file"
            raise ProgramNotFound(f"{name}: {what}", name)
        return path
    known = shipped()
    if name in known:
        return known[name]
    if Path(f"{name}.py").is_file():
        cure = f"to run the file here, write ./{name}.py"
    else:
        cure = "`pybpf list` shows all; a file is given by its path, such as ./my_probe.py"
    best = near_names(name, known, most=1)  # all begin alike
    raise ProgramNotFound(f"no program {name!r}{near(name, best)}: {cure}", name)


def summary(path: Path) -> str:
    """The first line of a file's docstring, found without running it."""
    try:
        text = ast.get_docstring(ast.parse(path.read_bytes()))
    except (OSError, SyntaxError, ValueError) as error:
        return f"(can't be read: {error})"
    return _first_line(text)


def load(name: str) -> Program:
    """Run a program's file, and collect what it declares.

    Raises ProgramNotFound; LoweringError with the place of what is wrong in the file; UsageError when it's no
    program at all.
    """
    path = find(name)
    module = _run(path)
    gadget = getattr(module, "gadget", None)
    if not isinstance(gadget, Gadget):
        raise UsageError(f'{path} is no program: it has no `gadget = Gadget("{path.stem}", columns="…")`')
    declarations = collect(module)
    if not declarations.probes:
        raise UsageError(f"{path} has no probes: a probe is a function with @kprobe(…) or @kretprobe(…)")
    program = Program(gadget, declarations, _first_line(module.__doc__))
    if declarations.events is None and gadget.report is None and not program.iterates:
        raise UsageError(f"{path} has nothing to show: it declares no `Events`")
    if gadget.inflight and all(map.name != gadget.inflight for map in declarations.maps):
        names = near(gadget.inflight, (map.name for map in declarations.maps))
        raise UsageError(f"{path}: inflight={gadget.inflight!r} names no map of it{names}")
    return program


def _first_line(docstring: str | None) -> str:
    return next(iter((docstring or "").strip().splitlines()), "")


def _run(path: Path) -> ModuleType:
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    linecache.checkcache(str(path))  # errors and lowering quote the file as it is now
    try:
        code = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    except OSError as error:
        raise ProgramNotFound(f"{path}: {error.strerror}", str(path)) from error
    except ValueError as error:  # a NUL byte, before Python 3.12
        raise LoweringError(f"this is no Python: {error}", Location(str(path), 1)) from error
    except SyntaxError as error:
        end = (error.end_offset or 0) if sys.version_info >= (3, 10) else 0
        place = Location(str(path), error.lineno or 1, max(1, error.offset or 1), end)
        raise LoweringError(f"this is no Python: {error.msg}", place) from error
    with _importable(path.parent):
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
def _importable(folder: Path) -> Iterator[None]:
    """Files beside a program can be imported while it runs; after all others, so that none is hidden."""
    entry = os.path.abspath(folder)
    sys.path.append(entry)
    try:
        yield
    finally:
        sys.path.remove(entry)


def _place(error: BaseException, path: Path) -> Location | None:
    """The innermost line of the program's own file that an error came through."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return Location(str(path), lines[-1]) if lines and lines[-1] else None


def _message(error: BaseException) -> str:
    if isinstance(error, BpfError):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        return f"{error}: install it for {sys.executable}, or put it beside this file"
    return f"{type(error).__name__}: {error}"
