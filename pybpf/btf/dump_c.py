"""A C header of the types in a BTF: `vmlinux.h`, in which every size and offset is that of the BTF."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pybpf.btf.c_struct import Layouts
from pybpf.btf.declare import declare, is_base
from pybpf.errors import BtfError

if TYPE_CHECKING:
    from pybpf.btf.graph import Btf
    from pybpf.btf.types import Member, Type

__all__ = ["dump_c", "header"]

_ENUMS = ("enum", "enum64")
_TAGS = ("struct", "union", "fwd", *_ENUMS)
_MODES = {1: "QI", 2: "HI", 8: "DI"}
_INTS = {1: "char", 2: "short", 4: "int", 8: "long long", 16: "__int128"}

# Deeper than any C nests; a chain of types this long is damage, and is stopped before Python's own limit.
_MAX_DEPTH = 150


def header(btf: Btf) -> Iterator[str]:
    """All types as a header, in pieces: GNU C11; no functions, no variables. Raises `BtfError` for damage."""
    yield "#ifndef __VMLINUX_H__\n#define __VMLINUX_H__\n\n#undef linux\n#undef unix\n\n"
    yield from dump_c(type for type in btf if type.kind in (*_TAGS, "typedef"))
    yield "#endif /* __VMLINUX_H__ */\n"


def dump_c(types: Iterable[Type]) -> Iterator[str]:
    """The definitions of `types` and of what they need, in an order that C takes, in pieces of text."""
    wanted = list(types)
    dumper = _Dumper()
    # Of several with one name, the first in this order keeps it; the others become `name___2`.
    for type in wanted:
        if type.name and type.kind != "fwd":
            dumper.name(type)
    nameless = [type for type in wanted if not type.name and type.kind in _ENUMS]
    for type in wanted:
        if type.name or type.kind not in _ENUMS:
            yield from dumper.need(type, True, _MAX_DEPTH)
    for type in nameless:
        if type.id not in dumper.inlined:
            yield f"{dumper.enum(type, '')};\n\n"


class _Dumper:
    def __init__(self) -> None:
        self.inlined: set[int] = set()
        self._layouts = Layouts()
        self._names: dict[int, str] = {}
        # C has one space of names for struct, union and enum tags, and one for typedefs and enum values.
        self._tags: set[str] = set()
        self._ordinary: set[str] = set()
        self._by_tag: dict[tuple[str, str], str] = {}
        self._whole: set[tuple[str, str]] = set()
        self._done: set[tuple[int, bool]] = set()
        self._declared: set[str] = set()
        self._typedefs: set[int] = set()
        self._padding = 0

    # Names.

    def name(self, type: Type) -> str:
        """The name that `type` has in the header."""
        known = self._names.get(type.id)
        if known is None:
            known = self._tag(type) if type.kind in _TAGS else _fresh(self._ordinary, type.name)
            self._names[type.id] = known
        return known

    def _tag(self, type: Type) -> str:
        # A forward declaration and the (first) struct of that name are one.
        word = type.key.partition(" ")[0]
        key = (word, type.name)
        if key in self._by_tag and (type.kind == "fwd" or key not in self._whole):
            text = self._by_tag[key]
        else:
            text = f"{word} {_fresh(self._tags, type.name)}"
            self._by_tag.setdefault(key, text)
        if type.kind != "fwd":
            self._whole.add(key)
        return text

    # Order.

    def need(self, type: Type, whole: bool, depth: int) -> Iterator[str]:
        """Define what must stand before a use of `type`: as a value (`whole`), or behind a pointer."""
        key = (type.id, whole)
        if key in self._done:
            return
        if depth < 0:
            raise BtfError(f"damaged BTF: no end to the types that type #{type.id} consists of")
        self._done.add(key)
        if type.kind in ("struct", "union") and type.name:
            yield from self._need_struct(type, whole, depth - 1)
        elif type.kind == "fwd":
            yield from self._forward(type)
        elif type.kind in _ENUMS and type.name:
            if (type.id, not whole) not in self._done:
                yield f"{self.enum(type, '')};\n\n"
        else:
            for other, value in _uses(type, whole):
                yield from self.need(other, value, depth - 1)
            if type.kind in ("typedef", "int", "float") and type.id not in self._typedefs:
                self._typedefs.add(type.id)
                yield from self._typedef(type)

    def _need_struct(self, type: Type, whole: bool, depth: int) -> Iterator[str]:
        if not whole:
            yield from self._forward(type)
            return
        for member in type.all_members():
            yield from self.need(member.type, True, depth)
        self._declared.add(self.name(type))
        yield f"{self._struct(type, self.name(type), '')};\n\n"

    def _forward(self, type: Type) -> Iterator[str]:
        name = self.name(type)
        if name not in self._declared:
            self._declared.add(name)
            yield f"{name};\n\n"

    def _typedef(self, type: Type) -> Iterator[str]:
        if type.kind == "typedef":
            if type.name != "__builtin_va_list":
                yield f"typedef {self._declare(type.target, self.name(type), '')};\n\n"
        elif not is_base(type.name):
            # An integer that is called as no compiler calls one, such as the u32 of a BPF object.
            base = _INTS.get(type.size, "int") if type.kind == "int" else "double"
            sign = "" if type.signed or type.kind == "float" else "unsigned "
            yield f"typedef {sign}{base} {self.name(type)};\n\n"

    # Text.

    def _declare(self, type: Type, name: str, indent: str) -> str:
        # GNU C takes [0] where [] is an error: in a union, or in the midst of a struct.
        return declare(type, name, lambda base: self._base(base, indent), "[0]")

    def _base(self, type: Type, indent: str) -> str:
        if type.name:
            return (
                type.name if type.kind in ("int", "float", "void") and is_base(type.name) else self.name(type)
            )
        if type.kind in ("struct", "union"):
            return self._struct(type, type.kind, indent)
        return self.enum(type, indent)

    def _struct(self, type: Type, head: str, indent: str) -> str:
        if len(indent) > 32:
            raise BtfError(f"damaged BTF: type #{type.id} has no end to the structs within")
        deeper = indent + "\t"
        lines = [f"{head} {{"]
        for member, padding in self._layouts.rows(type):
            text = self._member(member, deeper) if member is not None else self._pad(padding)
            lines.append(f"{deeper}{text};")
        packed = " __attribute__((packed))" if self._layouts.packed(type) else ""
        return "\n".join([*lines, f"{indent}}}{packed}"])

    def _member(self, member: Member, indent: str) -> str:
        bits = f": {member.bit_size}" if member.bit_size else ""
        if member.name:
            return self._declare(member.type, _plain(member.name), indent) + bits
        # A struct with a tag may be embedded without a name (-fms-extensions): written out here.
        inner = member.type.resolve()
        if inner.kind in ("struct", "union"):
            return self._struct(inner, inner.kind, indent)
        return self._pad(member.bit_size or inner.size * 8)

    def _pad(self, bits: int) -> str:
        if bits % 8:
            return f"unsigned char : {bits}"
        self._padding += 1
        return f"unsigned char __pad{self._padding}[{bits // 8}]"

    def enum(self, type: Type, indent: str) -> str:
        """The definition of an enum, without the semicolon."""
        self.inlined.add(type.id)
        lines = [f"{self.name(type) if type.name else 'enum'} {{"]
        for value in type.values:
            suffix = "" if value.value < 1 << 31 else "U" if value.value < 1 << 32 else "ULL"
            lines.append(f"{indent}\t{_fresh(self._ordinary, value.name)} = {value.value}{suffix},")
        if not type.values:
            lines.append(f"{indent}\t{_fresh(self._ordinary, f'__{type.name}_unknown')},")
        mode = f" __attribute__((mode({_MODES[type.size]})))" if type.size in _MODES else ""
        return "\n".join([*lines, f"{indent}}}{mode}"])


def _uses(type: Type, whole: bool) -> Iterator[tuple[Type, bool]]:
    # The types in the text of `type`, and whether C must know their size there.
    if type.kind in ("struct", "union"):
        for member in type.all_members():
            yield member.type, True
    elif type.kind == "func_proto":
        yield type.returns, False
        for parameter in type.parameters:
            yield parameter.type, False
    elif type.has_target:
        yield type.target, type.kind == "array" or (whole and type.kind != "ptr")


def _plain(name: str) -> str:
    # An identifier of C made from any name.
    text = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name)
    return f"_{text}" if text[:1].isdigit() else text


def _fresh(space: set[str], name: str) -> str:
    name = plain = _plain(name)
    number = 1
    while name in space:
        number += 1
        name = f"{plain}___{number}"
    space.add(name)
    return name
