"""What differs between two kernels in the types and fields that a program uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from pybpf.btf.field import names
from pybpf.errors import BpfError

if TYPE_CHECKING:
    from pybpf.btf.graph import Btf
    from pybpf.btf.types import Type

__all__ = ["Difference", "by_name", "differences", "every_struct", "place"]


class Difference(NamedTuple):
    """A type or field (`struct file.f_path`), and what it is in the one and in the other."""

    name: str
    old: str
    new: str


def differences(old: Btf, new: Btf, asked: Iterable[tuple[str, str]]) -> Iterator[Difference]:
    """Of (key, field path) those that are not the same; a path may be empty, for the type itself."""
    before, after = _by_key(old), _by_key(new)
    for key, path in sorted(set(asked)):
        was, is_now = place(before.get(key), path), place(after.get(key), path)
        if was != is_now:
            yield Difference(f"{key}.{path}" if path else key, was, is_now)


def _by_key(btf: Btf) -> dict[str, Type]:
    # The type that `btf[key]` gives, of all keys at once: whole ones go before those only declared.
    found: dict[str, Type] = {}
    for type in btf:
        if type.name:
            key = f"{type.key}()" if type.kind == "func" else type.key
            if key not in found or (found[key].kind == "fwd" and type.kind != "fwd"):
                found[key] = type
    return {**_by_key(btf.base), **found} if btf.base is not None else found


def by_name(btf: Btf, asked: Iterable[tuple[int, str]]) -> Iterator[tuple[str, str]]:
    """What a recording has by the ids of one BTF, as keys that another knows: `struct file`, `vfs_read()`."""
    for id, path in asked:
        type = btf.by_id(id)
        key = f"{type.key}()" if type.kind == "func" else type.key
        for name in names(type) if path == "*" else [path]:
            yield key, name


def every_struct(old: Btf, new: Btf) -> Iterator[tuple[str, str]]:
    """(key, field path) of all structs and unions with names, and of their fields, in either."""
    for btf in (old, new):
        for type in btf:
            if type.kind in ("struct", "union") and type.name:
                yield type.key, ""
                for member in type.all_members():
                    if member.name:
                        yield type.key, member.name


def place(type: Type | None, path: str = "") -> str:
    """Where and what it is: `24, struct dentry *`, `size 64`, a prototype; `-` when it is not there."""
    if type is None:
        return "-"
    if not path:
        return _itself(type)
    try:
        field = type.field(path)
    except BpfError:
        return "-"
    bits = f":{field.bit_offset % 8}" if field.bit_size else ""
    width = f" : {field.bit_size}" if field.bit_size else ""
    return f"{field.offset}{bits}, {field.type.declaration}{width}"


def _itself(type: Type) -> str:
    if type.kind in ("struct", "union"):
        return f"size {type.size}"
    if type.kind in ("enum", "enum64"):
        values = ", ".join(f"{value.name} = {value.value}" for value in type.values)
        return f"size {type.size}, {values}"
    return (type.target if type.kind in ("typedef", "func") else type).declaration
