"""Global variables: numbers and records that all programs share, and user space can read and set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybpf.dsl.maps.array import ArrayMap
from pybpf.dsl.maps.map import Map
from pybpf.dsl.method import method
from pybpf.dsl.places import load, store
from pybpf.dsl.values import Value
from pybpf.errors import LoweringError, near
from pybpf.spec import Int, MapSpec, Struct

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["Global"]


class Global(Map):
    """A variable with its initial value (Linux 5.2): `total = Global("total", u64)`.

    In a probe `total.value` reads and sets it, `total.member` a member of a record, `total[i]` an element of
    an array; `total.add(n)` adds to a number while no other CPU can come between. It is the only element of
    an array of that name, where user space finds it: `loaded.maps["total"][0] = 5` while the programs run.
    """

    def __init__(self, name: str, layout: Any, value: int | bytes = 0) -> None:
        super().__init__(name)
        self.table = ArrayMap(name, layout, 1)
        self.layout = self.table.value
        self.initial = self._packed(value)

    def _packed(self, value: int | bytes) -> bytes:
        size, layout = self.layout.size, self.layout
        if isinstance(value, bytes) and len(value) <= size and not isinstance(layout, Int):
            return value.ljust(size, b"\0")
        if isinstance(value, int) and not value:
            return bytes(size)
        if isinstance(value, int) and isinstance(layout, Int):
            if layout.minimum <= value <= layout.maximum:
                return value.to_bytes(size, "little", signed=layout.signed)
            raise LoweringError(f"{value} does not fit {self.name}, a {layout.name}")
        raise LoweringError(f"{self.name} is a {layout.name} and can't begin as {value!r}")

    def specs(self, buffer: str) -> list[MapSpec]:
        (spec,) = self.table.specs(buffer)
        return [spec._replace(data=self.initial) if any(self.initial) else spec]

    def describe(self) -> str:
        return f"the variable {self.name}"

    def cure(self) -> str:
        return f": {self.name}.value is" if isinstance(self.layout, Int) else ""

    def _content(self, cx: Context) -> Any:
        return load(cx, self.table.place(cx, 0), self.layout)

    def _check(self, cx: Context, name: str) -> None:
        """An error when there is nothing of that name."""
        members = [field.name for field in self.layout.fields] if isinstance(self.layout, Struct) else []
        known = ["value", *members, "add"]
        if name not in known:
            raise cx.error(f"{self.describe()} has no {name!r}{near(name, known)}; it has {', '.join(known)}")

    def attribute(self, cx: Context, name: str) -> Any:
        self._check(cx, name)
        if name == "value":
            return self._content(cx)
        return super().attribute(cx, name) if name == "add" else self._content(cx).attribute(cx, name)

    def set_attribute(self, cx: Context, name: str, value: Any) -> None:
        self._check(cx, name)
        if name == "value":
            store(cx, self.table.place(cx, 0), self.layout, value, self.name)
        else:
            self._elements(cx).set_attribute(cx, name, value)

    def _elements(self, cx: Context) -> Value:
        if isinstance(self.layout, Int):
            raise cx.error(f"{self.describe()} is {self.layout.name}, which has no parts: {self.name}.value")
        content: Value = self._content(cx)
        return content

    def item(self, cx: Context, key: Any) -> Any:
        return self._elements(cx).item(cx, key)

    def set_item(self, cx: Context, key: Any, value: Any) -> None:
        self._elements(cx).set_item(cx, key, value)

    @method
    def add(self, cx: Context, count: Any = 1) -> None:
        """Add to a number; no other CPU can come between."""
        amount = self.table.amount(cx, count)
        self.table.add_to(cx, self.table.place(cx, 0), amount)
