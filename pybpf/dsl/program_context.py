"""The context of a program as a struct: what a tracepoint, a perf event or a packet hands over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pybpf.codegen.ir import Op
from pybpf.dsl.kernel import CONTEXT, DIRECT, KernelPointer, pointer

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["ContextPointer", "context_pointer", "iterated_pointer", "packet_pointer"]


class ContextPointer(KernelPointer):
    """The context: its fields are plain loads, and what pointers among them lead to is the kernel's memory.

    Texts of a tracepoint that have no fixed length lie after its struct, where a field such as
    `__data_loc_filename` says (`__rel_loc_`: counted from that field's end, Linux 5.17). `ctx.filename` is a
    pointer to that text.
    """

    def rebuild(self, parts: Sequence[Op]) -> KernelPointer:
        return ContextPointer(parts[0], self.type, CONTEXT)

    def attribute(self, cx: Context, name: str) -> Any:
        found = self.target.resolve()
        for prefix in ("__data_loc_", "__rel_loc_"):
            if found.member(name) is None and found.member(prefix + name) is not None:
                field = cx.field_of(found, prefix + name)
                # The upper half is the length.
                start = cx.build.alu("and", cx.build.load(self.op, field.offset, 4), cx.build.const(0xFFFF))
                base = cx.build.address(self.op, field.offset + 4 if prefix == "__rel_loc_" else 0)
                return pointer(cx, cx.build.alu("add", base, start), "char *")
        return super().attribute(cx, name)


def context_pointer(cx: Context, op: Op, declaration: str) -> KernelPointer:
    """The context as what a parameter's C declaration says.

    Of several, as in `struct a * | struct b *`, it is the first that the target has: kernels rename them.
    """
    words = [word.strip() for word in declaration.split("|")]
    known = (word for word in words if word.rstrip("* ") in cx.target.btf)
    declaration = next(known, words[0])
    found = pointer(cx, op, declaration)
    if found.target.resolve().kind not in ("struct", "union"):
        raise cx.error(f"the context is a struct, and {declaration!r} points to none")
    return ContextPointer(op, found.type, CONTEXT)


class _Meta(KernelPointer):
    """What an iterator is told beside its object: `seq` is the file that it writes to, as helpers take it."""

    def rebuild(self, parts: Sequence[Op]) -> KernelPointer:
        return _Meta(parts[0], self.type, DIRECT, trusted=True)

    def attribute(self, cx: Context, name: str) -> Any:
        found = super().attribute(cx, name)
        return KernelPointer(found.op, found.type, DIRECT, trusted=True) if name == "seq" else found


class _Objects(ContextPointer):
    """A context of pointers to objects, which the verifier follows."""

    def rebuild(self, parts: Sequence[Op]) -> KernelPointer:
        return type(self)(parts[0], self.type, CONTEXT)

    def attribute(self, cx: Context, name: str) -> Any:
        found = super().attribute(cx, name)
        return self._object(found, name) if isinstance(found, KernelPointer) else found

    def _object(self, found: KernelPointer, name: str) -> KernelPointer:
        return KernelPointer(found.op, found.type, DIRECT, trusted=True)


class _Iterated(_Objects):
    """That of an iterator: all but `meta` are None when there are no more objects."""

    def _object(self, found: KernelPointer, name: str) -> KernelPointer:
        if name == "meta":
            return _Meta(found.op, found.type, DIRECT, trusted=True)
        return KernelPointer(found.op, found.type, DIRECT, trusted=True, nullable=True)


def iterated_pointer(cx: Context, op: Op, declaration: str) -> KernelPointer:
    """The context of an iterator: `struct bpf_iter__task *`, or another."""
    return _Iterated(op, context_pointer(cx, op, declaration).type, CONTEXT)


def packet_pointer(cx: Context, op: Op, declaration: str) -> KernelPointer:
    """The context of a netfilter program: `struct bpf_nf_ctx *`."""
    return _Objects(op, context_pointer(cx, op, declaration).type, CONTEXT)
