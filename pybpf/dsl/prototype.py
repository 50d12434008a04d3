"""A probe's parameters compared with what the kernel says that it hands over, where its BTF says that."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pybpf.spec import Int, Pointer

if TYPE_CHECKING:
    from pybpf.btf import Type
    from pybpf.dsl.context import Context

__all__ = ["check_prototype"]

# These have all parameters of their function, and then what it returned, or is to return so far.
_WITH_RESULT = ("fexit", "fmod_ret", "lsm")
# Of these the last is often left out.
_NEEDED = ("fexit", "fmod_ret")


def check_prototype(
    cx: Context, kind: str, names: Sequence[str], tree: ast.arguments, layouts: Mapping[str, Int]
) -> None:
    """Raise LoweringError when there are too many parameters, or pointers to other structs.

    A wrong one would be read at the offsets of another type. `fexit` and `fmod_ret` have all parameters of
    their function, and then its result, so that their number must be right; `lsm` may leave that out. The
    BTF of a cut-out, or of a kernel whose function is in a module, doesn't tell; the verifier does then, as
    far as it can.
    """
    found = _parameters(cx, kind, names)
    if found is None:
        return
    name, types = found
    count = len(types)
    result = kind in _WITH_RESULT
    if len(tree.args) > count or (kind in _NEEDED and len(tree.args) != count):
        have = count - result
        cure = ": write them all, and then what it returns" if result else f", not {len(tree.args)}"
        message = f"{name} has {have} parameter{'s' * (have != 1)}{cure}"
        raise cx.error(message, tree.args[-1] if tree.args else None)
    for argument, type in zip(tree.args, types):
        layout = layouts[argument.arg]
        if not isinstance(layout, Pointer):
            continue
        given = _struct(type)
        said = _struct(cx.type_of(layout.declaration.replace("__user", "")))
        if said and said != given and (given or type.resolve().kind != "ptr"):
            real = f"{given} *" if given else type.declaration
            raise cx.error(f"{argument.arg} of {name} is a {real}, not a {said} *", argument)


def _parameters(cx: Context, kind: str, names: Sequence[str]) -> tuple[str, list[Any]] | None:
    """The types of what a probe is given, of the first of `names` that the target's BTF knows."""
    btf = cx.target.btf
    for name in names:
        if kind == "tp_btf":
            if f"btf_trace_{name}" in btf:
                # Its first parameter is for the kernel's own use.
                return name, [each.type for each in btf[f"btf_trace_{name}"].target.target.parameters[1:]]
            continue
        function = next(btf.functions(f"bpf_lsm_{name}" if kind == "lsm" else name), None)
        if function is not None:
            result = [function.returns] if kind in _WITH_RESULT else []
            return name, [each.type for each in function.parameters] + result
    return None


def _struct(type: Type) -> str:
    """The struct that a pointer leads to; empty when it leads to something else."""
    found = type.resolve()
    target = found.target.resolve() if found.kind == "ptr" else found
    return target.key if target is not found and target.kind in ("struct", "union", "fwd") else ""
