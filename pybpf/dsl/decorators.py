"""What makes a Python function a probe, or code that a probe can call."""

from __future__ import annotations

import ast
import functools
import linecache
from typing import Any, Callable, Union

from pybpf.dsl.params import Selected
from pybpf.errors import LoweringError
from pybpf.source import Location

__all__ = ["Func", "Probe", "Source", "func", "kprobe", "kretprobe", "raw_tracepoint"]


class Source:
    """The syntax tree of a function, and the names that it can see."""

    def __init__(self, function: Callable[..., Any]) -> None:
        code = function.__code__
        self.name = function.__name__
        self.file = code.co_filename
        self.function = function
        self.tree = _find(self.file, code.co_firstlineno, self.name)

    def names(self) -> dict[str, Any]:
        """Globals and the closure, as they are now."""
        found = dict(self.function.__globals__)
        for name, cell in zip(self.function.__code__.co_freevars, self.function.__closure__ or ()):
            try:
                found[name] = cell.cell_contents
            except ValueError:  # not bound yet
                continue
        return found


@functools.lru_cache(maxsize=64)
def _functions(file: str, text: str) -> dict[tuple[int, str], ast.FunctionDef]:
    found = {}
    for node in ast.walk(ast.parse(text, file)):
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            found[first, node.name] = node
    return found


def _find(file: str, line: int, name: str) -> ast.FunctionDef:
    node = _functions(file, "".join(linecache.getlines(file))).get((line, name))
    if node is None:
        raise LoweringError(
            f"{name} has no source to lower: a probe must be a function that is defined with def in a file",
            Location(file, line),
        )
    return node


class Func:
    """A function that is inlined where a probe calls it. Called from Python, it is the Python function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.source = Source(function)
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        return self.source.function(*args, **keywords)


Where = Union[str, Selected]


class Probe:
    """A function that becomes a BPF program; `kind` says how it is attached, `where` to what."""

    def __init__(self, function: Callable[..., Any], kind: str, where: Where) -> None:
        self.source = Source(function)
        self.name = function.__name__
        self.kind = kind
        self.where = where


def func(function: Callable[..., Any]) -> Func:
    """Let probes call this function: its code is put where the call stands."""
    return Func(function)


def _decorator(kind: str, where: Where) -> Callable[[Callable[..., Any]], Probe]:
    if not isinstance(where, (str, Selected)):
        raise LoweringError(f"@{kind} takes the name of a kernel function: @{kind}('vfs_read')")
    return lambda function: Probe(function, kind, where)


def kprobe(where: Where) -> Callable[[Callable[..., Any]], Probe]:
    """Run at the entry of a kernel function (BPF since Linux 4.1).

    `where` names it: `"a"`; `"a,b?"` for a, and b where that exists; `"a|b"` for a, or else b. The
    parameters are the function's own, with their C types as annotations, as many as are needed.
    """
    return _decorator("kprobe", where)


def kretprobe(where: Where) -> Callable[[Callable[..., Any]], Probe]:
    """Run when a kernel function returns (BPF since Linux 4.1); the one parameter is what it returned."""
    return _decorator("kretprobe", where)


def raw_tracepoint(where: Where) -> Callable[[Callable[..., Any]], Probe]:
    """Run at a tracepoint of the kernel, such as `sys_enter`, with its arguments as they are (Linux 4.17)."""
    return _decorator("raw_tracepoint", where)
