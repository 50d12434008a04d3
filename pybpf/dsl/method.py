"""Methods that a probe can call on maps, texts and arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pybpf.dsl.binding import bind
from pybpf.dsl.values import Value
from pybpf.errors import UsageError, near

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["BoundMethod", "Methods", "method"]


class method:
    """Decorator: `owner.name(...)` in a probe runs this function, given the Context, to make its code."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    def __get__(self, owner: Value | None, kind: type) -> Any:
        return self if owner is None else BoundMethod(owner, self.function)


class BoundMethod(Value):
    """`owner.name`, waiting to be called."""

    def __init__(self, owner: Value, function: Callable[..., Any]) -> None:
        self.owner = owner
        self.function = function

    def describe(self) -> str:
        return f"the method {self.function.__name__} of {self.owner.describe()}"

    def call(self, cx: Context, args: Sequence[Any], keywords: dict[str, Any]) -> Any:
        try:
            bind(self.function, [self.owner, cx, *args], keywords)
        except TypeError as error:
            raise cx.error(f"{self.function.__name__}: {error}") from None
        return self.function(self.owner, cx, *args, **keywords)

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        raise UsageError(
            f"{self.describe()} is for probes; in Python, use what pybpf.load made: loaded.maps[name]"
        )


class Methods(Value):
    """Base of values with methods."""

    def attribute(self, cx: Context, name: str) -> Any:
        known = [each for each in dir(type(self)) if isinstance(getattr(type(self), each), method)]
        if name not in known:
            has = f"; it has {', '.join(known)}" if known else ""
            raise cx.error(f"{self.describe()} has no {name!r}{near(name, known)}{has}")
        return getattr(self, name)
