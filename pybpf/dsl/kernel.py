"""Kernel pointers: `pointer.field` is a read of kernel memory, at the offset that the target's BTF gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pybpf.codegen.ir import Op
from pybpf.dsl.types import i8, i16, i32, i64, u8, u16, u32, u64
from pybpf.dsl.values import Condition, Scalar, Value
from pybpf.spec import Int

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["KernelMemory", "KernelPointer", "pointer"]

_INTEGERS: dict[tuple[int, bool], Int] = {
    (layout.size, layout.signed): layout for layout in (u8, u16, u32, u64, i8, i16, i32, i64)
}


class KernelPointer(Value):
    """The address of an object of the kernel; may be null or stale, which a read survives (it gives 0)."""

    def __init__(self, op: Op, type: Any) -> None:
        self.op = op
        self.type = type
        self.parts = (op,)

    def describe(self) -> str:
        return f"a {self.type.declaration}"

    def rebuild(self, parts: Sequence[Op]) -> KernelPointer:
        return KernelPointer(parts[0], self.type)

    def truth(self, cx: Context) -> Condition:
        return Condition("ne", self.op, cx.build.const(0))

    def attribute(self, cx: Context, name: str) -> Any:
        return _field(cx, self.op, 0, self.type.resolve().target.resolve(), name)

    def set_attribute(self, cx: Context, name: str, value: Any) -> None:
        raise cx.error("a probe can't write to kernel memory")


class KernelMemory(Value):
    """A struct, union or array inside an object of the kernel: an address, not yet read."""

    def __init__(self, base: Op, offset: int, type: Any) -> None:
        self.base = base
        self.offset = offset
        self.type = type
        self.parts = (base,)

    def describe(self) -> str:
        return f"a {self.type.declaration} in kernel memory"

    def rebuild(self, parts: Sequence[Op]) -> KernelMemory:
        return KernelMemory(parts[0], self.offset, self.type)

    def attribute(self, cx: Context, name: str) -> Any:
        return _field(cx, self.base, self.offset, self.type.resolve(), name)

    def address(self, cx: Context) -> Op:
        return cx.build.address(self.base, self.offset)


def pointer(cx: Context, op: Op, declaration: str) -> KernelPointer:
    """`op` as a pointer of the C declaration, such as `struct dentry *`."""
    return KernelPointer(op, cx.type_of(declaration))


def _field(cx: Context, base: Op, offset: int, type: Any, name: str) -> Any:
    if type.kind not in ("struct", "union"):
        raise cx.error(f"a {type.declaration} has no fields: there is no {name!r}")
    field = cx.field_of(type, name)
    if field.bit_size:
        return _bit_field(cx, base, offset, field.load)
    found = field.type.resolve()
    offset += field.offset
    if found.kind == "ptr":
        return KernelPointer(cx.build.kread(base, offset, 8), field.type)
    if found.kind in ("int", "enum", "enum64"):
        layout = _INTEGERS[found.size, found.signed]
        return Scalar(cx.build.kread(base, offset, found.size, found.signed), layout)
    if found.kind in ("struct", "union", "array"):
        return KernelMemory(base, offset, field.type)
    raise cx.error(f"{name} is a {field.type.declaration}, which a probe can't read")


def _bit_field(cx: Context, base: Op, offset: int, load: Any) -> Scalar:
    """Fetch the whole unit, shift the field to the top, and back down."""
    unit = cx.build.kread(base, offset + load.offset, load.size)
    top = cx.build.alu("lsh", unit, cx.build.const(load.left))
    low = cx.build.alu("arsh" if load.signed else "rsh", top, cx.build.const(load.right))
    return Scalar(low, i64 if load.signed else u64)
