"""Cutting out: the smallest BTF with which programs still lower.

Of a struct only the fields that were asked for are kept, at their true offsets, and its true size; what
they lead to is kept as far as it was asked for in turn.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pybpf.btf.field import trace
from pybpf.btf.write import Writer, copy

if TYPE_CHECKING:
    from pybpf.btf.graph import Btf
    from pybpf.btf.types import Type

__all__ = ["ask", "extract"]


def extract(btf: Btf, asked: Iterable[tuple[int, str] | str]) -> bytes:
    """The BTF of what `asked` names, as bytes in the byte order of `btf`; the same for the same input.

    `asked` is what `Btf.recording` collected, or texts: `struct file`, `struct file.f_path.dentry`,
    `struct file.*` (all its members), `u64`, `ext4_file_open()`.
    Raises `TypeNotFound` and `FieldNotFound`.
    """
    roots, members = _marks(btf, asked)
    kept = sorted(_reached(btf, roots, members))
    ids = {id: index for index, id in enumerate(kept, 1)}
    ids[0] = 0
    writer = Writer()
    for id in kept:
        type = btf.by_id(id)
        if type.kind in ("struct", "union"):
            wanted = members.get(id, set())
            copy(type, writer, lambda id: ids.get(id, 0), wanted.__contains__)
        else:
            copy(type, writer, ids.__getitem__)
    return writer.finish(btf.byte_order)


def ask(btf: Btf, text: str) -> tuple[int, str]:
    """The (type id, field path) of `struct file.f_path.dentry`, `u64` or `vfs_read()`."""
    if text.endswith("()"):
        with btf.recording() as asked:
            btf.function(text[:-2])
        return next(iter(asked))
    key, _, path = text.partition(".")
    type = btf[key]
    if path not in ("", "*"):
        type.field(path)
    return type.id, path


def _marks(btf: Btf, asked: Iterable[tuple[int, str] | str]) -> tuple[set[int], dict[int, set[int]]]:
    # The types asked for, and by struct the indices of the members to keep.
    roots: set[int] = set()
    members: dict[int, set[int]] = {}
    pairs = [ask(btf, one) if isinstance(one, str) else one for one in asked]
    if btf.pointer_size != 8 and "unsigned long" in btf:
        # It is what says that pointers are not of 8 bytes.
        pairs.append((btf["unsigned long"].id, ""))
    for id, path in pairs:
        type = btf.by_id(id)
        roots.add(id)
        if path == "*":
            for part in _own(type):
                members.setdefault(part.id, set()).update(range(len(part.all_members())))
        elif path:
            for member in trace(type, path):
                members.setdefault(member.owner.id, set()).add(member.index)
    return roots, members


def _own(type: Type) -> list[Type]:
    """`type` and the structs and unions within that have no name, so that nobody else could ask for them."""
    parts = {type.id: type}
    todo = [type]
    for outer in todo:
        for inner in (member.type.resolve() for member in outer.all_members()):
            if inner.kind in ("struct", "union") and not inner.name and inner.id not in parts:
                parts[inner.id] = inner
                todo.append(inner)
    return todo


def _reached(btf: Btf, roots: Iterable[int], members: dict[int, set[int]]) -> set[int]:
    reached: set[int] = set()
    todo = list(roots)
    while todo:
        id = todo.pop()
        if id > 0 and id not in reached:
            reached.add(id)
            todo += _leads_to(btf.by_id(id), members.get(id, set()))
    return reached


def _leads_to(type: Type, wanted: set[int]) -> list[int]:
    if type.kind in ("struct", "union"):
        return [member.type.id for member in type.all_members() if member.index in wanted]
    if type.kind == "func_proto":
        return [type.returns.id, *(parameter.type.id for parameter in type.parameters)]
    if type.kind == "array":
        return [type.target.id, type.index.id]
    if type.kind == "datasec":
        return [variable.type.id for variable in type.variables]
    return [type.target.id] if type.has_target else []
