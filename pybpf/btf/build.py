"""BTF of our own objects: what a map holds, what a program's functions are called, which line is which.

builder = Builder()
key, value = builder.map_types(KEY, VALUE)
function = builder.function("probe")
lines = builder.line_info([(0, location), (3, location)])
data = builder.finish()
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pybpf.btf.write import Writer
from pybpf.errors import BtfError

if TYPE_CHECKING:
    from pybpf.source import Location

__all__ = ["LINKAGES", "Builder"]

LINKAGES = {"static": 0, "global": 1, "extern": 2}

# struct bpf_line_info packs both into one word: 22 bits of line, 10 of column.
_MAX_LINE, _MAX_COLUMN = (1 << 22) - 1, (1 << 10) - 1


class Builder:
    """Types are added from the inside out, and each method returns an id; the same type gets the same id."""

    def __init__(self) -> None:
        self._writer = Writer()
        self._ids: dict[tuple[Any, ...], int] = {}

    def _add(
        self, kind: str, name: str, third: int, words: Iterable[int] = (), vlen: int = 0, flag: bool = False
    ) -> int:
        key = (kind, name, third, tuple(words), vlen, flag)
        id = self._ids.get(key)
        if id is None:
            id = self._ids[key] = self._writer.record(kind, name, third, key[3], vlen, flag)
        return id

    # Types.

    def integer(self, name: str, size: int, signed: bool = False, boolean: bool = False) -> int:
        """An integer of `size` bytes, signed or boolean (the kernel takes no more than one of them)."""
        code = 4 if boolean else int(signed)
        return self._add("int", name, size, [code << 24 | size * 8])

    def pointer(self, target: int) -> int:
        """A pointer; `target` 0 is void."""
        return self._add("ptr", "", target)

    def modifier(self, kind: str, target: int, name: str = "") -> int:
        """A `const`, `volatile`, `restrict` or (with a name) `typedef` or `type_tag` around `target`."""
        return self._add(kind, name, target)

    def array(self, element: int, count: int) -> int:
        return self._add("array", "", 0, [element, self.integer("unsigned int", 4), count])

    def forward(self, name: str, union: bool = False) -> int:
        """A struct or union of which only the name is known."""
        return self._add("fwd", name, 0, flag=union)

    def structure(
        self, name: str, size: int, members: Iterable[tuple[str, int, int, int]], kind: str = "struct"
    ) -> int:
        """A struct, or a `union`: members are (name, type id, bit offset, bit size or 0)."""
        rows = list(members)
        flag = any(bit_size for *_, bit_size in rows)
        words: list[int] = []
        for member, type_id, offset, bit_size in rows:
            if flag and offset >> 24:
                raise BtfError(
                    f"{kind} {name} has bit fields and is too large: {member!r} is at bit {offset}"
                )
            words += [self._writer.string(member), type_id, bit_size << 24 | offset]
        return self._add(kind, name, size, words, len(rows), flag)

    def enumeration(self, name: str, size: int, values: Iterable[tuple[str, int]]) -> int:
        """An enum of `size` bytes, signed when a value is negative, `enum64` (Linux 6.0) when large."""
        rows = list(values)
        signed = any(value < 0 for _, value in rows)
        wide = any(not -(1 << 31) <= value < (1 << 31 if signed else 1 << 32) for _, value in rows)
        words: list[int] = []
        for text, value in rows:
            words += [self._writer.string(text), value & 0xFFFFFFFF]
            if wide:
                words.append(value >> 32 & 0xFFFFFFFF)
        return self._add("enum64" if wide else "enum", name, size, words, len(rows), signed)

    def prototype(self, returns: int, parameters: Iterable[tuple[str, int]]) -> int:
        """A func_proto; parameters are (name, type id)."""
        rows = list(parameters)
        words = [word for name, type_id in rows for word in (self._writer.string(name), type_id)]
        return self._add("func_proto", "", returns, words, len(rows))

    def function(self, name: str, prototype: int = 0, linkage: str = "static") -> int:
        """A function (Linux 5.0); without a prototype, `int name(void *ctx)`, a program's own."""
        if not prototype:
            prototype = self.prototype(self.integer("int", 4, True), [("ctx", self.pointer(0))])
        return self._add("func", name, prototype, vlen=LINKAGES[linkage])

    def variable(self, name: str, type_id: int, linkage: str = "global") -> int:
        return self._add("var", name, type_id, [LINKAGES[linkage]])

    def section(self, name: str, size: int, variables: Iterable[tuple[int, int, int]]) -> int:
        """A datasec (Linux 5.2) such as `.rodata`: variables are (var id, offset, size)."""
        rows = sorted(variables, key=lambda row: row[1])
        return self._add("datasec", name, size, [word for row in rows for word in row], len(rows))

    def tag(self, name: str, target: int, component: int = -1) -> int:
        """A decl_tag (Linux 5.16) on a type, or on one of its members or parameters."""
        return self._add("decl_tag", name, target, [component & 0xFFFFFFFF])

    # Layouts, as `pybpf.spec.layout` has them. They are known by what they have, not by their class.

    def layout(self, layout: Any) -> int:
        """The type of a layout: one with `fields`, an `element`, a `declaration`, a sign, or else text."""
        if hasattr(layout, "fields"):
            members = [
                (
                    f.name,
                    self.layout(getattr(f.layout, "unit", f.layout)),
                    f.offset * 8 + getattr(f.layout, "shift", 0),
                    getattr(f.layout, "width", 0),
                )
                for f in layout.fields
            ]
            return self.structure(layout.name, layout.size, members, layout.kind)
        if hasattr(layout, "element"):
            return self.array(self.layout(layout.element), layout.count)
        if hasattr(layout, "declaration"):
            return self._pointer_to(layout.declaration)
        if not hasattr(layout, "signed"):
            return self.array(self.integer("char", 1, signed=True), layout.size)
        if layout.names:
            return self.enumeration(
                layout.names.__name__, layout.size, [(n.name, n.value) for n in layout.names]
            )
        return self.integer(layout.name, layout.size, layout.signed)

    def _pointer_to(self, declaration: str) -> int:
        # What is behind it is the kernel's, known by name only.
        word, _, name = declaration.rstrip("* ").rpartition(" ")
        target = self.forward(name, word.endswith("union")) if word.endswith(("struct", "union")) else 0
        return self.pointer(target)

    def map_types(self, key: Any, value: Any) -> tuple[int, int]:
        """`btf_key_type_id` and `btf_value_type_id` of a map of these layouts; 0 where there is none."""
        return (self.layout(key) if key else 0), (self.layout(value) if value else 0)

    # Records that BPF_PROG_LOAD takes beside the BTF, in this machine's byte order.

    def func_info(self, functions: Iterable[tuple[int, int]]) -> bytes:
        """`struct bpf_func_info`, 8 bytes each, from (first instruction, function id). The first is at 0."""
        return b"".join(struct.pack("=II", *row) for row in sorted(functions))

    def line_info(self, lines: Iterable[tuple[int, Location]], starts: Iterable[int] = (0,)) -> bytes:
        """`struct bpf_line_info`, 16 bytes each, from (instruction, location).

        The kernel wants one at the start of each function, so those at `starts` are kept in any case; of the
        others, one that says the same as the one before is left out.
        """
        kept = frozenset(starts)
        found = []
        last = None
        for index, place in sorted(lines, key=lambda row: row[0]):
            line, column = min(place.line, _MAX_LINE), min(place.column, _MAX_COLUMN)
            row = (self._writer.string(place.file), self._writer.string(place.text), line << 10 | column)
            if row != last or index in kept:
                found.append(struct.pack("=IIII", index, *row))
                last = row
        return b"".join(found)

    def finish(self, byte_order: str = sys.byteorder) -> bytes:
        """The BTF of all that was added. Last: the texts of lines are in it."""
        return self._writer.finish(byte_order)
