"""Linked lists of the kernel, for `for`: at most so many elements, since the verifier wants to see an end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybpf.codegen.ir import Block, Op
from pybpf.dsl.intrinsics.intrinsic import Intrinsic
from pybpf.dsl.kernel import KernelMemory, KernelPointer, pointer
from pybpf.dsl.values import Value, describe

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["Elements", "list_entries"]

_MOST = 1 << 16
# The heads of lists, the member that leads to the first element, and the type of what links them.
_HEADS = {
    "struct list_head": ("next", "struct list_head"),
    "struct hlist_head": ("first", "struct hlist_node"),
}


class Elements(Value):
    """What lies in a list: structs of `type`, linked by their `member`; at most `most` of them.

    A list of `struct list_head` ends where it began, at `head`; one of `struct hlist_head` at a null pointer.
    """

    def __init__(self, head: Op, first: Op, link: str, type: str, member: str, most: int) -> None:
        self.head = head
        self.first = first
        self.link = link
        self.type = type
        self.member = member
        self.most = most

    def describe(self) -> str:
        return f"a list of {self.type}"

    def branch_end(self, cx: Context, link: Op, end: Block, more: Block) -> None:
        """Go to `end` where the list ends, or can't be read; else to `more`."""
        if self.link == "struct list_head":
            there = cx.build.new_block("link")
            cx.build.branch("eq", link, self.head, end, there)
            cx.build.enter(there)
        cx.build.branch("eq", link, cx.build.const(0), end, more)

    def next(self, cx: Context, link: Op) -> Op:
        following: Op = pointer(cx, link, f"{self.link} *").attribute(cx, "next").op
        return following

    def element(self, cx: Context, link: Op) -> KernelPointer:
        """The struct that a link is a member of."""
        offset = cx.field_of(cx.type_of(self.type).resolve(), self.member).offset
        return pointer(cx, cx.build.alu("sub", link, cx.build.const(offset)), f"{self.type} *")


@Intrinsic
def list_entries(cx: Context, head: Any, type: Any, member: Any, most: Any) -> Elements:
    """The elements of a list, for a loop.

        for child in list_entries(task.children, "struct task_struct", "sibling", 64):

    `head` is a `struct list_head` or `struct hlist_head`, `member` what links the structs of `type`. The list
    may change while it is read: the loop ends after `most` elements at the latest. Linux 5.3 (bounded loops).
    """
    if not isinstance(head, (KernelPointer, KernelMemory)) or head.user:
        raise cx.error(f"list_entries takes the head of a list of the kernel's, not {describe(head)}")
    found = (head.target if isinstance(head, KernelPointer) else head.type).resolve().key
    if found not in _HEADS:
        raise cx.error(f"list_entries takes a {' or a '.join(_HEADS)}, not {describe(head)}")
    if not isinstance(type, str) or not isinstance(member, str):
        raise cx.error("list_entries takes the names of a struct and of its member, known at build time")
    if isinstance(most, bool) or not isinstance(most, int) or not 0 < most <= _MOST:
        known = f"a number from 1 to {_MOST} that is known at build time"
        raise cx.error(f"the most elements of a list are {known}, not {describe(most)}")
    first, link = _HEADS[found]
    linked = cx.field_of(cx.type_of(type).resolve(), member).type.resolve().key
    if linked != link:
        raise cx.error(f"{member} of {type} is a {linked}, and this list links its elements by a {link}")
    place = head.address(cx)
    start = pointer(cx, place, f"{found} *").attribute(cx, first)
    return Elements(place, start.op, link, type, member, most)
