"""Functions that only a probe can call: each makes its code where it is called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Callable

from pybpf.dsl.values import Value
from pybpf.errors import near

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["Function", "Intrinsic", "bind"]


class Function(Value):
    """A function of a probe with any number of arguments: `lower` gets the context of lowering first."""

    def __init__(self, lower: Callable[..., Any]) -> None:
        self.lower = lower
        self.name = lower.__name__.rstrip("_")
        self.__doc__ = lower.__doc__

    def __repr__(self) -> str:
        return f"<{self.name} of a probe>"

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        raise TypeError(f"{self.name} works in a probe; Python can't run it")

    def describe(self) -> str:
        return f"the function {self.name}"

    def call(self, cx: Context, args: Sequence[Any], keywords: dict[str, Any]) -> Any:
        code = self.lower.__code__
        if keywords or len(args) < code.co_argcount - 1:
            names = code.co_varnames[1 : code.co_argcount]
            wanted = f"{self.name}({', '.join([*names, '...'])})"
            raise cx.error(f"{wanted} takes no keywords" if keywords else f"{wanted} needs {names[-1]}")
        return self.lower(cx, *args)


class Intrinsic(Function):
    """A function of a probe whose arguments can be given by name."""

    def call(self, cx: Context, args: Sequence[Any], keywords: dict[str, Any]) -> Any:
        code = self.lower.__code__
        names = code.co_varnames[1 : code.co_argcount]
        defaults = self.lower.__defaults__ or ()
        required = names[: len(names) - len(defaults)]
        given = bind(cx, self.name, args, keywords, names, required)
        return self.lower(cx, **given)


def bind(
    cx: Context,
    function: str,
    args: Sequence[Any],
    keywords: dict[str, Any],
    names: Sequence[str],
    required: Sequence[str],
    by_keyword: Sequence[str] = (),
) -> dict[str, Any]:
    """Arguments by the names of parameters. Raises LoweringError where Python would raise TypeError."""
    if len(args) > len(names):
        raise cx.error(f"{function}({', '.join(names)}) takes {_count(names)}, not {len(args)}")
    given = dict(zip(names, args))
    for name, value in keywords.items():
        if name not in names and name not in by_keyword:
            known = [*names, *by_keyword]
            raise cx.error(f"{function}({', '.join(names)}) has no parameter {name!r}{near(name, known)}")
        if name in given:
            raise cx.error(f"{name} of {function}({', '.join(names)}) is given twice")
        given[name] = value
    missing = [name for name in required if name not in given]
    if missing:
        raise cx.error(f"{function}({', '.join(names)}) needs {' and '.join(missing)}")
    return given


def _count(names: Sequence[str]) -> str:
    return f"{len(names) or 'no'} argument{'s' * (len(names) != 1)}"
