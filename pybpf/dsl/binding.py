"""Arguments to parameters, as Python binds them.

The plain case is done here, since `inspect` takes as long to import as a program to lower.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["bind"]

_VARIADIC = 0x04 | 0x08  # CO_VARARGS, CO_VARKEYWORDS


def bind(function: Callable[..., Any], args: Sequence[Any], keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Each parameter's value, defaults among them. Raises TypeError, with Python's words."""
    code = function.__code__
    plain = code.co_varnames[: code.co_argcount]
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    found = dict(zip(plain, args))
    if not code.co_flags & _VARIADIC and not code.co_posonlyargcount and len(args) <= len(plain):
        defaults = function.__defaults__ or ()
        known = {
            **dict(zip(plain[len(plain) - len(defaults) :], defaults)),
            **(function.__kwdefaults__ or {}),
        }
        known.update(found)
        known.update(keywords)
        if len(known) == len(names) and not found.keys() & keywords.keys() and known.keys() == set(names):
            return {name: known[name] for name in names}
    import inspect

    bound = inspect.signature(function).bind(*args, **keywords)
    bound.apply_defaults()
    return dict(bound.arguments)
