"""Statements."""

from __future__ import annotations

import ast
from typing import Any

from pybpf.dsl.lower.match import Matches
from pybpf.dsl.lower.nodes import rejected
from pybpf.dsl.lower.operators import arithmetic
from pybpf.dsl.maps import Global
from pybpf.dsl.values import Value, describe

__all__ = ["Statements"]


class Statements(Matches):
    """The part of lowering that acts."""

    def statements(self, nodes: list[ast.stmt]) -> None:
        for node in nodes:
            if self.cx.build.block is None:
                return
            method = getattr(self, f"_{type(node).__name__.lower()}_statement", None)
            if method is None:
                raise self.cx.error(rejected(node), node)
            self.cx.at(node)
            method(node)

    def _pass_statement(self, node: ast.Pass) -> None:
        pass

    def _expr_statement(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):
            self.value(node.value)

    def _assign_statement(self, node: ast.Assign) -> None:
        value = self.value(node.value)
        for target in node.targets:
            self.store(target, value)

    def _annassign_statement(self, node: ast.AnnAssign) -> None:
        raise self.cx.error("a variable takes the type of its value; write u32(...) to choose it", node)

    def _augassign_statement(self, node: ast.AugAssign) -> None:
        target = node.target
        if isinstance(target, ast.Name):
            before = self.value(ast.copy_location(ast.Name(target.id, ast.Load()), target))
            value = self.value(node.value)
            self.cx.at(node)
            return self.store(target, arithmetic(self.cx, node.op, before, value))
        owner = self.value(target.value)
        key = target.attr if isinstance(target, ast.Attribute) else self.value(target.slice)
        self.cx.at(target)
        if not isinstance(owner, Value):
            raise self.cx.error(f"{describe(owner)} can't be changed by a probe", target)
        by_name = isinstance(target, ast.Attribute)
        before = owner.attribute(self.cx, key) if by_name else owner.item(self.cx, key)
        if isinstance(before, Value) and before.nullable:
            raise self.cx.error(
                f"this is {before.describe()}, and can't be changed in place: map.add(key, n) counts from 0",
                target,
            )
        value = self.value(node.value)
        self.cx.at(node)
        result = arithmetic(self.cx, node.op, before, value)
        if by_name:
            return owner.set_attribute(self.cx, key, result)
        return owner.set_item(self.cx, key, result)

    def store(self, target: ast.expr, value: Any) -> None:
        self.cx.at(target)
        if isinstance(target, ast.Name):
            if isinstance(self.globals.get(target.id), Global):
                raise self.cx.error(
                    f"this would make {target.id} a variable of the function's own: write {target.id}.value"
                )
            self.scope.assign(target.id, value)
        elif isinstance(target, ast.Attribute):
            owner = self.value(target.value)
            self.cx.at(target)
            if not isinstance(owner, Value):
                raise self.cx.error(f"{describe(owner)} can't be changed by a probe", target)
            owner.set_attribute(self.cx, target.attr, value)
        elif isinstance(target, ast.Subscript):
            owner, key = self.value(target.value), self.value(target.slice)
            self.cx.at(target)
            if not isinstance(owner, Value):
                raise self.cx.error(f"{describe(owner)} can't be changed by a probe", target)
            owner.set_item(self.cx, key, value)
        elif isinstance(target, (ast.Tuple, ast.List)):
            self._unpack(target, value)
        else:
            raise self.cx.error(rejected(target), target)

    def _unpack(self, target: ast.Tuple | ast.List, value: Any) -> None:
        names = target.elts
        at = next((index for index, each in enumerate(names) if isinstance(each, ast.Starred)), None)
        if isinstance(value, (tuple, list)) and at is not None and len(value) >= len(names) - 1:
            more = len(value) - len(names) + 1
            value = [*value[:at], list(value[at : at + more]), *value[at + more :]]
        if not isinstance(value, (tuple, list)) or len(value) != len(names):
            raise self.cx.error(f"{describe(value)} can't be unpacked into {len(names)} names", target)
        for element, item in zip(names, value):
            self.store(element.value if isinstance(element, ast.Starred) else element, item)

    def _delete_statement(self, node: ast.Delete) -> None:
        for target in node.targets:
            if not isinstance(target, ast.Subscript):
                raise self.cx.error("del takes an element of a map: del map[key]", target)
            owner, key = self.value(target.value), self.value(target.slice)
            self.cx.at(target)
            if not isinstance(owner, Value):
                raise self.cx.error(f"{describe(owner)} can't be changed by a probe", target)
            owner.delete_item(self.cx, key)

    def _assert_statement(self, node: ast.Assert) -> None:
        value = self.value(node.test)
        if isinstance(value, Value):
            raise self.cx.error("assert checks what is known at build time; use if for the rest", node)
        if not value:
            text = self.value(node.msg) if node.msg is not None else "this is not so"
            raise self.cx.error(f"assertion failed: {text}", node)

    def _if_statement(self, node: ast.If) -> None:
        then, otherwise = self.cx.build.new_block("then"), self.cx.build.new_block("else")
        assigned = dict(self.cx.assigned)
        self.branch(node.test, then, otherwise)
        names = dict(self.scope.names)
        paths = []
        for block, outcome, body in ((then, True, node.body), (otherwise, False, node.orelse)):
            if not block.preds:
                continue
            self.scope.names, self.cx.assigned = dict(names), dict(assigned)
            self.cx.build.enter(block)
            self.refine(node.test, outcome)
            self.statements(body)
            paths.append(self.scope.path())
        self.scope.join(paths)

    def _return_statement(self, node: ast.Return) -> None:
        if self.outcomes is not None:
            if node.value is None:
                self.go(None, *self.outcomes)
            else:
                self.branch(node.value, *self.outcomes)
            return
        value = self.value(node.value) if node.value is not None else None
        path = self.scope.path()
        if path is not None:
            self.returns.append((path, self.typed(value), self.cx.place(node)))
        self.cx.build.block = None
