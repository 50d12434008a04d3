"""Every node of Python's syntax: which are lowered, and what is said of those that are not."""

from __future__ import annotations

import ast

__all__ = ["HANDLED", "REJECTED", "rejected"]

_HANDLED = """
    Add And AnnAssign Assert Assign Attribute AugAssign BinOp BitAnd BitOr BitXor BoolOp Call Compare Constant
    Delete Div Eq Expr FloorDiv For Gt GtE If IfExp In Invert Is IsNot LShift List Load Lt LtE Mod
    Mult Name NamedExpr Not NotEq NotIn Or Pass Pow RShift Return Slice Store Sub Subscript Tuple UAdd USub
    Break Continue Del MatMult Match MatchOr MatchSingleton MatchValue UnaryOp While arg arguments
    keyword match_case
    Dict DictComp FormattedValue GeneratorExp JoinedStr ListComp Starred comprehension
"""
HANDLED = frozenset(_HANDLED.split())

# What was found, and what would be right.
REJECTED = {
    "AsyncFor": "a probe can't wait: there is no async in it",
    "AsyncFunctionDef": "a probe can't wait: there is no async in it",
    "AsyncWith": "a probe can't wait: there is no async in it",
    "Await": "a probe can't wait: there is no async in it",
    "ClassDef": "a class can't be defined in a probe; define it in the module",
    "ExceptHandler": "a probe has no exceptions; test the value that a helper returns",
    "FunctionDef": "a function can't be defined in a probe; define it in the module, with @func",
    "Global": "a probe can't set a global variable of Python; keep state in a map",
    "Import": "a probe can't import; import in the module",
    "ImportFrom": "a probe can't import; import in the module",
    "Interpolation": "a probe can't format text; send the values and format them in user space",
    "Lambda": "a lambda can't be lowered; define a function with @func",
    "Nonlocal": "a probe can't set a variable of another function; return the value instead",
    "Raise": "a probe has no exceptions; return instead",
    "Set": "a set can't be made in a probe; make it in the module",
    "SetComp": "a set can't be made in a probe; make it in the module",
    "TemplateStr": "a probe can't format text; send the values and format them in user space",
    "Try": "a probe has no exceptions; test the value that a helper returns",
    "TryStar": "a probe has no exceptions; test the value that a helper returns",
    "TypeAlias": "a type can't be defined in a probe; define it in the module",
    "With": "a probe has no with; call what begins and what ends something",
    "Yield": "a probe can't be a generator; send an event",
    "YieldFrom": "a probe can't be a generator; send an event",
    "alias": "a probe can't import; import in the module",
    "withitem": "a probe has no with; call what begins and what ends something",
}
for _name in ("MatchAs", "MatchClass", "MatchMapping", "MatchSequence", "MatchStar"):
    REJECTED[_name] = "a case takes constants: case 1, case 2 | 3, or case _"
for _name in ("ParamSpec", "TypeVar", "TypeVarTuple"):
    REJECTED[_name] = "a probe can't be generic"


def rejected(node: ast.AST) -> str:
    """Why a node can't be lowered, and what to do."""
    name = type(node).__name__
    return REJECTED.get(name, f"{name} can't be lowered here")
