"""Global variables: numbers and records that all programs share, and user space can read and set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybpf.dsl.maps.array import ArrayMap
from pybpf.dsl.method import method
from pybpf.dsl.places import load, store
from pybpf.dsl.values import Value
from pybpf.errors import LoweringError
from pybpf.spec import Int, MapSpec, Struct

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["Global"]


class Global(ArrayMap):
    """A variable with its initial value (Linux 5.2): `total = Global("total", u64)`.

    In a probe `total.value` reads and sets it; of a record, members are the variable's own, and
    `total.add(n)` adds while no other CPU can come between. It is the only element of an array of that name,
    of which user space has the rest: `loaded.maps["total"][0] = 5` while the programs run.
    """

    def __init__(self, name: str, layout: Any, value: int | bytes = 0) -> None:
        super().__init__(name, layout, 1)
        self.initial = self._packed(value)

    def _packed(self, value: int | bytes) -> bytes:
        if isinstance(value, int) and (isinstance(self.value, Int) or not value):
            signed = isinstance(self.value, Int) and self.value.signed
            try:
                return int(value).to_bytes(self.value.size, "little", signed=signed)
            except OverflowError:
                raise LoweringError(f"{value} does not fit {self.name}, a {self.value.name}") from None
        if isinstance(value, bytes) and len(value) <= self.value.size:
            return value.ljust(self.value.size, b"\0")
        raise LoweringError(f"{self.name} is a {self.value.name} and can't begin as {value!r}")

    def specs(self, buffer: str) -> list[MapSpec]:
        (spec,) = super().specs(buffer)
        return [spec._replace(data=self.initial) if any(self.initial) else spec]

    def describe(self) -> str:
        return f"the variable {self.name}"

    def _content(self, cx: Context) -> Any:
        return load(cx, self.place(cx, 0), self.value)

    def attribute(self, cx: Context, name: str) -> Any:
        if name == "value":
            return self._content(cx)
        if isinstance(self.value, Struct):
            return self._content(cx).attribute(cx, name)
        return super().attribute(cx, name)

    def set_attribute(self, cx: Context, name: str, value: Any) -> None:
        if name == "value":
            store(cx, self.place(cx, 0), self.value, value, self.name)
        elif isinstance(self.value, Struct):
            self._content(cx).set_attribute(cx, name, value)
        else:
            raise cx.error(f"{self.describe()} is a {self.value.name}: {self.name}.value = ... sets it")

    def item(self, cx: Context, key: Any) -> Any:
        content = self._content(cx)
        if not isinstance(content, Value):
            raise cx.error(f"{self.describe()} has no elements")
        return content.item(cx, key)

    def set_item(self, cx: Context, key: Any, value: Any) -> None:
        self._content(cx).set_item(cx, key, value)

    @method
    def add(self, cx: Context, count: Any = 1) -> None:
        """Add to a number; no other CPU can come between."""
        amount = self.amount(cx, count)
        self.add_to(cx, self.place(cx, 0), amount)
