"""What may not be there: the element of a map, None until a check has shown otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from pybpf.codegen.ir import Op
from pybpf.dsl.values import Condition, Scalar, Value

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["Maybe"]


class Maybe(Value):
    """`value`, or None when `presence` is 0. Copies of it have one `origin`: to check one is to check all."""

    nullable = True

    def __init__(self, value: Value, presence: Op, origin: object = None) -> None:
        self.value = value
        self.presence = presence
        self.origin = origin or object()
        self.parts = (*value.parts, presence)

    def describe(self) -> str:
        return f"{self.value.describe()} or None"

    def cure(self) -> str:
        if not isinstance(self.value, Scalar):
            return ""
        return ": write `is None`, or say what stands for None, as in .get(key, 0)"

    def same_kind(self, other: Value) -> bool:
        return isinstance(other, Maybe) and self.value.same_kind(other.value)

    def rebuild(self, parts: Sequence[Op]) -> Maybe:
        return Maybe(self.value.rebuild(parts[:-1]), parts[-1], self.origin)

    def joined(self, other: Value) -> Maybe:
        assert isinstance(other, Maybe)
        origin = self.origin if other.origin is self.origin else None
        return Maybe(self.value.joined(other.value), self.presence, origin)

    def renewed(self) -> Maybe:
        return Maybe(self.value.renewed(), self.presence)

    def checked(self) -> Value:
        return self.value

    def present(self, cx: Context) -> Condition:
        return Condition("ne", self.presence, cx.build.const(0))

    def truth(self, cx: Context) -> Condition:
        if isinstance(self.value, Scalar):
            raise cx.error(f"this is {self.describe()}, and 0 is as false as None{self.cure()}")
        return self.present(cx)

    def _unchecked(self, cx: Context, use: str) -> NoReturn:
        raise cx.error(f"this may be None: check it before {use}, as in `if not ...: return`")

    def attribute(self, cx: Context, name: str) -> Any:
        self._unchecked(cx, f".{name} is used")

    def set_attribute(self, cx: Context, name: str, value: Any) -> None:
        self._unchecked(cx, f".{name} is set")

    def item(self, cx: Context, key: Any) -> Any:
        self._unchecked(cx, "it is indexed")

    def set_item(self, cx: Context, key: Any, value: Any) -> None:
        self._unchecked(cx, "it is indexed")

    def delete_item(self, cx: Context, key: Any) -> None:
        self._unchecked(cx, "it is indexed")

    def call(self, cx: Context, args: Sequence[Any], keywords: dict[str, Any]) -> Any:
        self._unchecked(cx, "it is called")
