"""Memory that is not the program's own: `pointer.field` is a read, at the offset that the target's BTF gives.

How it is read depends on where the address came from: kernel memory by `probe_read_kernel`, user memory
(`__user` in the C declaration) by `probe_read_user`, and what the verifier has followed from an object that
the kernel gave the program by a plain load. So are fields of the program's context.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pybpf.asm import KernelFunctionRef
from pybpf.codegen.ir import Block, Op
from pybpf.dsl.types import i8, i16, i32, i64, u8, u16, u32, u64
from pybpf.dsl.values import Condition, Scalar, Value
from pybpf.spec import Int

if TYPE_CHECKING:
    from pybpf.dsl.context import Context
    from pybpf.dsl.text import Text

__all__ = ["CONTEXT", "DIRECT", "INTEGERS", "KERNEL", "USER", "KernelMemory", "KernelPointer", "pointer"]

# How memory is read.
KERNEL, USER, DIRECT, CONTEXT = "kernel", "user", "direct", "context"

# Up to so many bytes, loads and stores are cheaper than a helper's call.
_FEW_BYTES = 32

# The layouts of numbers, by size and sign.
INTEGERS: dict[tuple[int, bool], Int] = {
    (layout.size, layout.signed): layout for layout in (u8, u16, u32, u64, i8, i16, i32, i64)
}


class _Foreign(Value):
    """Memory of a kernel type, read as `access` says."""

    type: Any
    access: str
    trusted = False

    @property
    def user(self) -> bool:
        return self.access == USER

    def address(self, cx: Context) -> Op:
        """Where it lies."""
        raise NotImplementedError

    def set_attribute(self, cx: Context, name: str, value: Any) -> None:
        raise cx.error(f"a probe can't write to {'user' if self.user else 'kernel'} memory")

    def set_item(self, cx: Context, key: Any, value: Any) -> None:
        self.set_attribute(cx, "", value)


class KernelPointer(_Foreign):
    """The address of an object; may be null or stale, which a read survives (it gives 0).

    One that is `trusted` may be given to helpers that want an object of its type. It is `nullable` until it
    has been checked, where the verifier insists on that.
    """

    def __init__(
        self, op: Op, type: Any, access: str = KERNEL, trusted: bool = False, nullable: bool = False
    ) -> None:
        self.op = op
        self.type = type
        self.access = access
        self.trusted = trusted
        self.nullable = nullable
        self.parts = (op,)

    def describe(self) -> str:
        declaration: str = self.type.declaration
        if self.user:
            declaration = f"{declaration[:-1]}__user *"
        article = "an" if declaration[0] in "aeio" else "a"
        return f"{article} {declaration}" + (" or None" if self.nullable else "")

    def same_kind(self, other: Value) -> bool:
        return (
            isinstance(other, KernelPointer)
            and self.describe() == other.describe()
            and (self.access, self.trusted) == (other.access, other.trusted)
        )

    def rebuild(self, parts: Sequence[Op]) -> KernelPointer:
        return KernelPointer(parts[0], self.type, self.access, self.trusted, self.nullable)

    def checked(self) -> KernelPointer:
        return KernelPointer(self.op, self.type, self.access, self.trusted)

    def truth(self, cx: Context) -> Condition:
        return Condition("ne", self.op, cx.build.const(0))

    def address(self, cx: Context) -> Op:
        return self.op

    @property
    def target(self) -> Any:
        """The type that it points to."""
        return self.type.resolve().target

    @property
    def given(self) -> bool:
        """Whether a helper that wants an object will take it."""
        return self.trusted and not self.nullable

    def attribute(self, cx: Context, name: str) -> Any:
        self._check(cx, f".{name} is used")
        target = self.target.resolve()
        if target.kind not in ("struct", "union"):
            raise cx.error(f"{self.describe()} has no fields, so no {name!r}: {_cure(cx, target)}")
        op, access = _entered(cx, self, target)
        found = _field(cx, op, 0, target, name, access)
        if isinstance(found, KernelMemory):
            found.trusted = self.trusted
        return found

    def item(self, cx: Context, key: Any) -> Any:
        """`pointer[i]`: element i of an array that it points to; `pointer[0]` is what it points to."""
        self._check(cx, "it is indexed")
        if not self.target.size:
            raise cx.error(f"{self.describe()} has no elements: {_cure(cx, self.target.resolve())}")
        return _element(cx, KernelMemory(self.op, 0, self.target, self.access), key, 0)

    def _check(self, cx: Context, use: str) -> None:
        if self.nullable:
            raise cx.error(f"this may be None: check it before {use}, as in `if not ...: return`")


class KernelMemory(_Foreign):
    """A struct, union or array inside an object: an address, not yet read."""

    def __init__(self, base: Op, offset: int, type: Any, access: str = KERNEL) -> None:
        self.base = base
        self.offset = offset
        self.type = type
        self.access = access
        self.parts = (base,)

    def describe(self) -> str:
        return f"a {self.type.declaration} in {'user' if self.user else 'kernel'} memory"

    def same_kind(self, other: Value) -> bool:
        return (
            isinstance(other, KernelMemory)
            and self.describe() == other.describe()
            and (self.offset, self.access) == (other.offset, other.access)
        )

    def rebuild(self, parts: Sequence[Op]) -> KernelMemory:
        made = KernelMemory(parts[0], self.offset, self.type, self.access)
        made.trusted = self.trusted
        return made

    def moved(self, offset: int, type: Any) -> KernelMemory:
        """What lies `offset` bytes further on."""
        return KernelMemory(self.base, self.offset + offset, type, self.access)

    def _text(self) -> Text | None:
        """An array of characters as a text."""
        from pybpf.dsl.text import Text

        found = self.type.resolve()
        if found.kind != "array" or found.target.resolve().kind != "int" or found.target.size != 1:
            return None
        return Text(found.size, fill=lambda cx, into: self.read_into(cx, into, found.size))

    def length(self, cx: Context) -> int:
        count: int = self.type.resolve().count
        return count or super().length(cx)

    def branch_equal(self, cx: Context, other: Any, same: Block, different: Block) -> bool:
        text = self._text()
        return text is not None and text.branch_equal(cx, other, same, different)

    def attribute(self, cx: Context, name: str) -> Any:
        text = self._text()
        if text is not None:
            return text.attribute(cx, name)
        found = self.type.resolve()
        if found.kind not in ("struct", "union"):
            raise cx.error(f"{self.describe()} has no fields, so no {name!r}")
        return _field(cx, self.base, self.offset, found, name, self.access)

    def item(self, cx: Context, key: Any) -> Any:
        """An element; past the end of an array of the kernel's lies other memory, as in C."""
        found = self.type.resolve()
        if found.kind != "array":
            raise cx.error(f"{self.describe()} is no array: it can't be indexed")
        if isinstance(key, slice):
            text = self._text()
            if text is None:
                raise cx.error(f"{self.describe()} can't be sliced: only a text can; take element by element")
            return text.item(cx, key)
        return _element(cx, KernelMemory(self.base, self.offset, found.target, self.access), key, found.count)

    def address(self, cx: Context) -> Op:
        return cx.build.address(self.base, self.offset)

    def read_into(self, cx: Context, into: Op, size: int) -> None:
        """Copy its first bytes to the program's own memory; zeros when they can't be read."""
        if self.access == DIRECT and size <= _FEW_BYTES and size % 8 == 0:
            for at in range(0, size, 8):
                cx.build.store(into, at, 8, cx.build.load(self.base, self.offset + at, 8))
        elif self.user:
            cx.build.call(_user_reader(cx), into, cx.build.const(size), self.address(cx))
        else:
            cx.read_kernel(into, size, self.address(cx))


def pointer(cx: Context, op: Op, declaration: str, access: str = "") -> KernelPointer:
    """`op` as a pointer of the C declaration, such as `struct dentry *` or `const char __user *`."""
    words = declaration.replace("*", " * ").split()
    plain = " ".join(word for word in words if word != "__user")
    return KernelPointer(op, cx.type_of(plain), access or (USER if "__user" in words else KERNEL))


def value_at(cx: Context, place: KernelMemory, what: str) -> Any:
    """What lies there: a number or a pointer is read; a struct, union or array stays a place."""
    found = place.type.resolve()
    if found.kind == "ptr":
        return KernelPointer(_read(cx, place, 8, False), place.type, _followed(place, found))
    if found.kind in ("int", "enum", "enum64") and (found.size, found.signed) in INTEGERS:
        layout = INTEGERS[found.size, found.signed]
        return Scalar(_read(cx, place, found.size, found.signed), layout)
    if found.kind in ("struct", "union", "array"):
        return place
    raise cx.error(f"{what} is a {place.type.declaration}, which a probe can't read")


def _entered(cx: Context, pointer: KernelPointer, target: Any) -> tuple[Op, str]:
    """An object's address, and the cheapest way to read it.

    Given its type by `bpf_rdonly_cast`, which costs nothing when the program runs, the verifier allows plain
    loads; one that fails reads 0, as with the helper.
    """
    if pointer.access != KERNEL or "rdonly_cast" not in cx.target.features or target.btf is not cx.target.btf:
        return pointer.op, pointer.access
    cast = KernelFunctionRef("bpf_rdonly_cast")
    return cx.build.call(cast, pointer.op, cx.build.const(target.id)), DIRECT


def _field(cx: Context, base: Op, offset: int, type: Any, name: str, access: str) -> Any:
    field = cx.field_of(type, name)
    if field.bit_size:
        return _bit_field(cx, KernelMemory(base, offset, type, access), field.load)
    return value_at(cx, KernelMemory(base, offset + field.offset, field.type, access), name)


def _bit_field(cx: Context, place: KernelMemory, load: Any) -> Scalar:
    """Fetch the whole unit, shift the field to the top, and back down."""
    unit = _read(
        cx, KernelMemory(place.base, place.offset + load.offset, None, place.access), load.size, False
    )
    top = cx.build.alu("lsh", unit, cx.build.const(load.left))
    low = cx.build.alu("arsh" if load.signed else "rsh", top, cx.build.const(load.right))
    return Scalar(low, i64 if load.signed else u64)


def _element(cx: Context, first: KernelMemory, key: Any, count: int) -> Any:
    """Element `key` of those that begin with `first`; `count` of them, 0 when that isn't known."""
    size = first.type.size
    if isinstance(key, bool) or not isinstance(key, (int, Scalar)):
        found = key.describe() if isinstance(key, Value) else repr(key)
        raise cx.error(f"an index is a number, not {found}")
    if isinstance(key, int):
        if key < 0 or (count and key >= count):
            has = f"this array has {count} elements" if count else "it begins at 0"
            raise cx.error(f"there is no element {key}: {has}")
        return value_at(cx, first.moved(key * size, first.type), "this element")
    moved = cx.build.alu("mul", key.op, cx.build.const(size))
    base = cx.build.alu("add", first.base, moved)
    # The verifier follows an object only at offsets that it knows.
    access = KERNEL if first.access in (DIRECT, CONTEXT) else first.access
    return value_at(cx, KernelMemory(base, first.offset, first.type, access), "this element")


def _read(cx: Context, place: KernelMemory, size: int, signed: bool) -> Op:
    if place.access in (DIRECT, CONTEXT):
        return cx.build.load(place.base, place.offset, size, signed)
    if place.access == KERNEL:
        return cx.build.kread(place.base, place.offset, size, signed)
    slot = cx.build.slot(8, "read")
    address = cx.build.address(place.base, place.offset)
    cx.build.call(_user_reader(cx), slot, cx.build.const(size), address)
    return cx.build.load(slot, 0, size, signed)


def _user_reader(cx: Context) -> str:
    return cx.helper("probe_read_user", "probe_read")


def _followed(place: KernelMemory, found: Any) -> str:
    """How to read what a pointer leads to: the verifier follows those to structs; a tag may say `__user`."""
    tag = found.target
    while tag.kind == "type_tag":
        if tag.name == "user":
            return USER
        tag = tag.target
    if place.access == CONTEXT:
        return KERNEL
    if place.access == DIRECT and found.target.resolve().kind not in ("struct", "union"):
        return KERNEL
    return place.access


def _cure(cx: Context, target: Any) -> str:
    if target.kind == "fwd":
        return f"{target.key} is only declared in the types of {cx.target.name}"
    if target.kind == "ptr":
        return "it points to a pointer; p[0] is that"
    if target.kind in ("int", "enum", "enum64"):
        return "p[0] is the number that it points to"
    return 'say what it points to, as in cast(p, "struct file *")'
