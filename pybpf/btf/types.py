"""One type of a BTF, and what it is made of. All is decoded when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pybpf.btf import declare, field
from pybpf.btf.format import SHAPES, kind_name
from pybpf.errors import BtfError

if TYPE_CHECKING:
    from pybpf.btf.field import Field
    from pybpf.btf.graph import Btf

__all__ = ["MAX_DEPTH", "Member", "Parameter", "Type", "Value", "Variable"]

# The kernel's own limit on a chain of types (MAX_RESOLVE_DEPTH in kernel/bpf/btf.c).
MAX_DEPTH = 32

_TARGETED = frozenset(
    ["ptr", "array", "typedef", "volatile", "const", "restrict", "func", "var", "decl_tag", "type_tag"]
)
_TRANSPARENT = frozenset(["typedef", "volatile", "const", "restrict", "type_tag"])
_SIZED = frozenset(["int", "struct", "union", "enum", "enum64", "float", "datasec"])


class Type:
    """A type: `kind`, `name` (empty when it has none) and `id`, its number in `btf`.

    Kinds are `void` (id 0), `int`, `ptr`, `array`, `struct`, `union`, `enum`, `enum64`, `fwd`, `typedef`,
    `const`, `volatile`, `restrict`, `func`, `func_proto`, `var`, `datasec`, `float`, `decl_tag`, `type_tag`.
    Asking a BTF twice for one type gives the same object.
    """

    __slots__ = ("_at", "_by_name", "_members", "_target", "_words", "btf", "id", "info", "kind", "name")

    def __init__(self, btf: Btf, id: int, words: Sequence[int], at: int, target: Type | None = None) -> None:
        # `at` is where in `words` the record starts; its second word has the kind, the flag and the count.
        # `target` is given for a type that is not in the BTF, but made up around one that may not be either.
        self.btf = btf
        self.id = id
        self.info = words[at + 1]
        self.kind = kind_name(self.info)
        self.name = btf.string(words[at]) if id else "void"
        self._words = words
        self._at = at
        self._target = target
        self._members: tuple[Member, ...] | None = None
        self._by_name: dict[str, Member] | None = None

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name or '(anonymous)'} #{self.id}>"

    @property
    def key(self) -> str:
        """The text by which a BTF is asked for it: `struct file`, `u64`; for messages, too."""
        kind = ("union" if self.flag else "struct") if self.kind == "fwd" else self.kind.replace("64", "")
        name = self.name or f"(anonymous #{self.id})"
        return f"{kind} {name}" if kind in ("struct", "union", "enum") else name

    @property
    def flag(self) -> bool:
        """The kind's flag: a struct with bit fields, a signed enum, a forward union, an attribute tag."""
        return self.info >> 31 != 0

    @property
    def _word(self) -> int:
        # The third word: a size, or the id of another type.
        return self._words[self._at + 2]

    @property
    def _vlen(self) -> int:
        return self.info & 0xFFFFFF

    @property
    def record(self) -> Sequence[int]:
        """The words of its record, as they stand in the BTF."""
        _, once, each = SHAPES.get(self.kind, ("", "", ""))
        return self._words[self._at : self._at + 3 + len(once) + len(each) * self._vlen]

    def _entries(self, size: int) -> Iterator[tuple[int, ...]]:
        words, at = self._words, self._at + 3
        for i in range(at, at + size * self._vlen, size):
            yield tuple(words[i : i + size])

    # What it leads to.

    @property
    def has_target(self) -> bool:
        """Whether its kind has a `target`."""
        return self.kind in _TARGETED

    @property
    def target(self) -> Type:
        """What a pointer points to, an array has, a typedef, modifier, tag, var or func stands for."""
        if not self.has_target:
            raise BtfError(f"{self.kind} {self.name!r} leads to no other type")
        if self._target is not None:
            return self._target
        return self.btf.by_id(self.target_id)

    @property
    def target_id(self) -> int:
        """The id of `target`."""
        return self._words[self._at + 3] if self.kind == "array" else self._word

    def resolve(self) -> Type:
        """This type without typedef, const, volatile, restrict and type tags around it."""
        type = self
        for _ in range(MAX_DEPTH):
            if type.kind not in _TRANSPARENT:
                return type
            type = type.target
        raise BtfError(f"damaged BTF: the chain of types from {self.key!r} (#{self.id}) does not end")

    @property
    def size(self) -> int:
        """Bytes that a value takes, through typedefs and the like; void and functions take none."""
        type, count = self, 1
        for _ in range(MAX_DEPTH):
            if type.kind in _SIZED:
                return count * type._word
            if type.kind == "ptr":
                return count * self.btf.pointer_size
            if type.kind == "array":
                count *= type.count
            elif type.kind not in _TRANSPARENT and type.kind != "var":
                return 0
            type = type.target
        raise BtfError(f"damaged BTF: the chain of types from {self.key!r} (#{self.id}) does not end")

    @property
    def signed(self) -> bool:
        """Whether it is an integer or enum with negative values, through typedefs and the like."""
        type = self.resolve()
        if type.kind == "int":
            return type.encoding & 1 != 0
        return type.kind in ("enum", "enum64") and type.flag

    @property
    def encoding(self) -> int:
        """Of an int: 1 signed, 2 char, 4 bool; of other kinds 0."""
        return self._words[self._at + 3] >> 24 & 0xF if self.kind == "int" else 0

    @property
    def bits(self) -> tuple[int, int]:
        """Of an int: the first bit and the number of bits of its value (all of its bytes, but in old BTF)."""
        word = self._words[self._at + 3] if self.kind == "int" else 0
        return word >> 16 & 0xFF, word & 0xFF

    @property
    def count(self) -> int:
        """Elements of an array; 0 for a flexible one, and for what is no array."""
        return self._words[self._at + 5] if self.kind == "array" else 0

    @property
    def index(self) -> Type:
        """The type of an array's index."""
        if self.kind != "array":
            raise BtfError(f"{self.kind} {self.name!r} has no index")
        return self.btf.by_id(self._words[self._at + 4])

    @property
    def linkage(self) -> int:
        """Of a func (in `vlen`) or var: 0 static, 1 global, 2 extern; of other kinds 0."""
        if self.kind == "func":
            return self._vlen
        return self._words[self._at + 3] if self.kind == "var" else 0

    @property
    def component(self) -> int:
        """Of a decl_tag: the member or parameter it is on; -1 for the whole, and for other kinds."""
        word = self._words[self._at + 3] if self.kind == "decl_tag" else 0xFFFFFFFF
        return word - (word >> 31 << 32)

    # What it is made of.

    @property
    def members(self) -> tuple[Member, ...]:
        """Members of a struct or union, in their order; of other kinds none."""
        self.btf.asked(self, "*")
        return self.all_members()

    def all_members(self) -> tuple[Member, ...]:
        """As `members`, for those who only look: it is not recorded as asked."""
        if self._members is None:
            entries = self._entries(3) if self.kind in ("struct", "union") else ()
            self._members = tuple(Member(self, i, *entry) for i, entry in enumerate(entries))
        return self._members

    def member(self, name: str) -> Member | None:
        """The member of that name in this struct itself, not in anonymous ones within; or None."""
        if self._by_name is None:
            self._by_name = {member.name: member for member in reversed(self.all_members())}
        return self._by_name.get(name)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Parameters of a func_proto (or of a func's); the last is `...` (no type) when more may follow."""
        proto = self.target if self.kind == "func" else self
        entries = proto._entries(2) if proto.kind == "func_proto" else ()
        return tuple(Parameter(proto.btf, *entry) for entry in entries)

    @property
    def returns(self) -> Type:
        """What a func_proto (or a func) returns."""
        proto = self.target if self.kind == "func" else self
        if proto.kind != "func_proto":
            raise BtfError(f"{self.kind} {self.name!r} is no function")
        return self.btf.by_id(proto._word)

    @property
    def values(self) -> tuple[Value, ...]:
        """Names and values of an enum, in their order; of other kinds none."""
        string = self.btf.string
        if self.kind == "enum":
            fix = 0x80000000 if self.flag else 0
            return tuple(Value(string(name), (value ^ fix) - fix) for name, value in self._entries(2))
        fix = 1 << 63 if self.flag else 0
        entries = self._entries(3) if self.kind == "enum64" else ()
        return tuple(Value(string(name), ((high << 32 | low) ^ fix) - fix) for name, low, high in entries)

    @property
    def variables(self) -> tuple[Variable, ...]:
        """Variables of a datasec, in their order; of other kinds none."""
        entries = self._entries(3) if self.kind == "datasec" else ()
        return tuple(Variable(self.btf, *entry) for entry in entries)

    # Questions about fields, and text.

    def field(self, path: str) -> Field:
        """The field at a C path: `d_name.name`, `comm[0]`. Anonymous structs and unions are searched.

        Raises `FieldNotFound` with the near names, and `BtfError` for a path that leads through a pointer.
        """
        found = field.find(self, path)
        self.btf.asked(self.resolve(), path)
        return found

    def offset_of(self, path: str) -> int:
        """Bytes from the start of this type to the field at `path`, as C's offsetof."""
        return self.field(path).offset

    def construct(self) -> Any:
        """The `construct` that parses and builds values of this type; see `pybpf.btf.decode`."""
        from pybpf.btf.decode import construct_of

        return construct_of(self)

    @property
    def declaration(self) -> str:
        """The C text of this type as a pointer's or value's type: `struct dentry *`, `int (*)(void *)`."""
        return declare.declare(self)

    def declare(self, name: str) -> str:
        """C that declares `name` with this type: `char comm[16]`."""
        return declare.declare(self, name)


class Member:
    """A member of a struct or union: `bit_offset` from its start; `bit_size` 0 if it is no bit field."""

    __slots__ = ("_where", "index", "name", "owner", "type_id")

    def __init__(self, owner: Type, index: int, name: int, type_id: int, where: int) -> None:
        self.owner = owner
        self.index = index
        self.name: str = owner.btf.string(name)
        self.type_id = type_id
        self._where = where

    def __repr__(self) -> str:
        return f"<member {self.name or '(anonymous)'} at bit {self.bit_offset}>"

    @property
    def type(self) -> Type:
        return self.owner.btf.by_id(self.type_id)

    @property
    def _int_bits(self) -> tuple[int, int]:
        # Before Linux 5.0 a bit field was an int type of its own, with fewer bits than its bytes have.
        first, bits = self.type.bits
        return (first, bits) if bits and bits != self.type.size * 8 else (0, 0)

    @property
    def bit_offset(self) -> int:
        return self._where & 0xFFFFFF if self.owner.flag else self._where + self._int_bits[0]

    @property
    def bit_size(self) -> int:
        return self._where >> 24 if self.owner.flag else self._int_bits[1]

    @property
    def offset(self) -> int:
        """Bytes from the start of the struct; of a bit field, the byte its first bit is in."""
        return self.bit_offset // 8


class Parameter:
    """A parameter of a function; `name` is empty where the BTF has none."""

    __slots__ = ("_btf", "name", "type_id")

    def __init__(self, btf: Btf, name: int, type_id: int) -> None:
        self._btf = btf
        self.type_id = type_id
        self.name: str = "..." if not (name or type_id) else btf.string(name)

    def __repr__(self) -> str:
        return f"<parameter {self.name}>"

    @property
    def type(self) -> Type:
        return self._btf.by_id(self.type_id)


class Value:
    """A name of an enum and its number."""

    __slots__ = ("name", "value")

    def __init__(self, name: str, value: int) -> None:
        self.name = name
        self.value = value

    def __repr__(self) -> str:
        return f"<{self.name} = {self.value}>"


class Variable:
    """A variable's place in a datasec: `offset` and `size` in bytes; `type` is the var."""

    __slots__ = ("_btf", "offset", "size", "type_id")

    def __init__(self, btf: Btf, type_id: int, offset: int, size: int) -> None:
        self._btf = btf
        self.type_id = type_id
        self.offset = offset
        self.size = size

    @property
    def type(self) -> Type:
        return self._btf.by_id(self.type_id)
