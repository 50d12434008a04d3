"""What the target's BTF says of types: decided at build time, so that an `if` leaves out what isn't there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybpf.dsl.intrinsics.intrinsic import Intrinsic
from pybpf.dsl.kernel import KernelMemory, KernelPointer, pointer
from pybpf.dsl.values import Scalar, describe
from pybpf.errors import BtfError, FieldNotFound, TypeNotFound, near
from pybpf.spec import Layout

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = [
    "address_of",
    "cast",
    "container_of",
    "enum_value",
    "has_field",
    "has_type",
    "offset_of",
    "sizeof",
]


@Intrinsic
def has_type(cx: Context, type: Any) -> bool:
    """Whether the kernel has a type: `has_type("struct io_uring_task")`."""
    try:
        cx.target.btf.type(_text(cx, "has_type", type))
    except TypeNotFound:
        return False
    return True


@Intrinsic
def has_field(cx: Context, type: Any, field: Any) -> bool:
    """Whether a struct of the kernel has a field: `has_field("struct task_struct", "__state")`.

    False, too, when there is no such struct. The field may be a path, such as `"d_name.name"`.
    """
    path = _text(cx, "has_field", field)
    try:
        cx.target.btf.type(_text(cx, "has_field", type)).resolve().field(path)
    except (TypeNotFound, FieldNotFound):
        return False
    except BtfError as error:
        raise cx.error(str(error)) from None
    return True


@Intrinsic
def sizeof(cx: Context, type: Any) -> int:
    """The size of a type in bytes: a C declaration, a record, or `u32` and its like."""
    layout = getattr(type, "layout", type)
    if isinstance(layout, Layout):
        return layout.size
    if isinstance(type, KernelMemory):
        return int(type.type.size)
    size = int(cx.type_of(_text(cx, "sizeof", type)).size)
    if not size:
        raise cx.error(f"{type} has no size in the types of {cx.target.name}")
    return size


@Intrinsic
def offset_of(cx: Context, type: Any, field: Any) -> int:
    """Bytes from the start of a struct to a field: `offset_of("struct file", "f_path.dentry")`."""
    owner = cx.type_of(_text(cx, "offset_of", type)).resolve()
    return int(cx.field_of(owner, _text(cx, "offset_of", field)).offset)


@Intrinsic
def enum_value(cx: Context, type: Any, name: Any) -> int:
    """A value of an enum, as this kernel numbers it: `enum_value("enum pid_type", "PIDTYPE_TGID")`."""
    wanted = _text(cx, "enum_value", name)
    found_type = cx.type_of(_text(cx, "enum_value", type)).resolve()
    values = {value.name: int(value.value) for value in found_type.values}
    if not values:
        raise cx.error(f"{type} is no enum")
    if wanted not in values:
        raise cx.error(f"{type} has no value {wanted!r}{near(wanted, values)}")
    return values[wanted]


@Intrinsic
def cast(cx: Context, value: Any, type: Any) -> KernelPointer:
    """An address as a pointer of another type: `cast(p, "struct sock *")`, `cast(n, "char __user *")`.

    It is kernel memory unless the declaration says `__user`.
    """
    declaration = _text(cx, "cast", type)
    if not declaration.rstrip().endswith("*"):
        raise cx.error(f'cast takes a pointer\'s declaration, such as "struct file *", not {type!r}')
    return pointer(cx, _place(cx, "cast", value), declaration)


@Intrinsic
def container_of(cx: Context, member: Any, type: Any, field: Any) -> KernelPointer:
    """The struct that a member lies in: `container_of(mnt, "struct mount", "mnt")`."""
    owner = _text(cx, "container_of", type)
    offset = cx.field_of(cx.type_of(owner).resolve(), _text(cx, "container_of", field)).offset
    place = _place(cx, "container_of", member)
    moved = cx.build.alu("sub", place, cx.build.const(offset)) if offset else place
    return pointer(cx, moved, f"{owner} __user *" if member.user else f"{owner} *")


@Intrinsic
def address_of(cx: Context, owner: Any, field: Any = None) -> KernelPointer:
    """A pointer to a member: `address_of(file, "f_path")`; or to a struct that lies in another.

    A number or pointer that is a member is read as soon as it is named; this gives its address.
    """
    place = _place(cx, "address_of", owner)
    inner = owner.type.resolve() if isinstance(owner, KernelMemory) else owner.target.resolve()
    offset = 0
    if field is not None:
        member = cx.field_of(inner, _text(cx, "address_of", field))
        if member.bit_size:
            raise cx.error(f"{field} of {inner.key} is a bit field, and has no address")
        inner, offset = member.type, member.offset
    user = " __user" if owner.user else ""
    return pointer(cx, cx.build.address(place, offset), f"{inner.declaration}{user} *")


def _place(cx: Context, function: str, value: Any) -> Any:
    if isinstance(value, (KernelPointer, KernelMemory)):
        return value.address(cx)
    if function == "cast" and isinstance(value, Scalar):
        return value.op
    raise cx.error(f"{function} takes a kernel pointer, not {describe(value)}")


def _text(cx: Context, function: str, value: Any) -> str:
    if not isinstance(value, str):
        raise cx.error(f"{function} takes names as text known at build time, not {describe(value)}")
    return value
