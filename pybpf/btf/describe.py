"""A type as plain data, in the shape of `bpftool -j btf dump`, and as text, as `bpftool btf dump` has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pybpf.btf.types import Member, Type

__all__ = ["as_text", "describe"]

_ENCODINGS = {0: "(none)", 1: "SIGNED", 2: "CHAR", 4: "BOOL"}
_LINKAGES = {0: "static", 1: "global", 2: "extern"}
_LISTS = ("members", "values", "params", "vars")


def describe(type: Type) -> dict[str, Any]:
    """The record of `type`: its ids, names, sizes and entries as they stand in the BTF."""
    kind = type.kind
    found: dict[str, Any] = {"id": type.id, "kind": kind.upper(), "name": type.name or "(anon)"}
    if kind == "int":
        first, bits = type.bits
        encoding = _ENCODINGS.get(type.encoding, "UNKN")
        found.update(size=type.size, bits_offset=first, nr_bits=bits, encoding=encoding)
    elif kind == "array":
        found.update(type_id=type.target_id, index_type_id=type.record[4], nr_elems=type.count)
    elif kind in ("struct", "union"):
        members = [_member(member) for member in type.all_members()]
        found.update(size=type.size, vlen=len(members), members=members)
    elif kind in ("enum", "enum64"):
        values = [{"name": value.name, "val": value.value} for value in type.values]
        encoding = "SIGNED" if type.flag else "UNSIGNED"
        found.update(encoding=encoding, size=type.size, vlen=len(values), values=values)
    elif kind == "fwd":
        found.update(fwd_kind="union" if type.flag else "struct")
    elif kind == "func_proto":
        # The `...` of a variadic function is a parameter without name and type.
        rows = [{"name": p.name.strip(".") or "(anon)", "type_id": p.type_id} for p in type.parameters]
        found.update(ret_type_id=type.record[2], vlen=len(rows), params=rows)
    elif kind == "datasec":
        places = [{"type_id": v.type_id, "offset": v.offset, "size": v.size} for v in type.variables]
        found.update(size=type.size, vlen=len(places), vars=places)
    elif kind == "float":
        found.update(size=type.size)
    else:
        found.update(type_id=type.target_id)
        if kind in ("func", "var"):
            found.update(linkage=_LINKAGES.get(type.linkage, "(unknown)"))
        elif kind == "decl_tag":
            found.update(component_idx=type.component)
    if type.flag and kind in ("decl_tag", "type_tag"):
        # Since Linux 6.15: any attribute of the compiler's, not a BTF tag.
        found.update(attribute=True)
    return found


def _member(member: Member) -> dict[str, Any]:
    row = {"name": member.name or "(anon)", "type_id": member.type_id, "bits_offset": member.bit_offset}
    return {**row, "bitfield_size": member.bit_size} if member.bit_size else row


def as_text(type: Type) -> str:
    """`[114] STRUCT 'task_struct' size=3264 vlen=248`, and a line for each entry, indented by a tab."""
    found = describe(type)
    lists = [found.pop(name) for name in _LISTS if name in found]
    lines = [f"[{found.pop('id')}] {found.pop('kind')} {_words(found)}"]
    lines += [f"\t{_words(row)}" for row in lists[0]] if lists else []
    return "\n".join(lines)


def _words(row: dict[str, Any]) -> str:
    name = [f"'{row['name']}'"] if "name" in row else []
    return " ".join([*name, *(f"{key}={value}" for key, value in row.items() if key != "name")])
