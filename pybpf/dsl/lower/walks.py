"""`for` over a linked list of the kernel's."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pybpf.dsl.intrinsics.lists import Elements
from pybpf.dsl.types import u64
from pybpf.dsl.values import Scalar

if TYPE_CHECKING:
    from pybpf.dsl.lower.loops import Loops

__all__ = ["walk"]


def walk(frame: Loops, node: ast.For, elements: Elements) -> None:
    """Lower a loop over a list; where it stands, and how far it may go on, are variables of its own."""
    cx, build, scope = frame.cx, frame.cx.build, frame.scope
    if not isinstance(node.target, ast.Name):
        raise cx.error("a list gives one element at a time: for task in list_entries(...)", node.target)
    name = node.target.id
    depth = len(frame.loops)
    link, left = f"{name}'s link {depth}", f"{name}'s rounds left {depth}"
    scope.assign(link, Scalar(elements.first, u64))
    scope.assign(left, Scalar(build.const(elements.most), u64))

    def turn() -> None:
        more, body, done = (build.new_block(word) for word in ("more", "body", "done"))
        build.branch("eq", scope.read(left).op, build.const(0), done, more)
        build.enter(more)
        elements.branch_end(cx, scope.read(link).op, done, body)
        names = dict(scope.names)
        build.enter(done)
        frame.loops[-1].done = scope.path()
        scope.names = names
        build.enter(body)
        scope.assign(name, elements.element(cx, scope.read(link).op))
        frame.statements(node.body)

    def step() -> None:
        cx.at(node.iter)
        scope.assign(link, Scalar(elements.next(cx, scope.read(link).op), u64))
        rest = build.alu("sub", scope.read(left).op, build.const(1))
        scope.assign(left, Scalar(rest, u64))

    frame.repeat(node, turn, step, {link, left})
    scope.names.pop(link, None)
    scope.names.pop(left, None)
