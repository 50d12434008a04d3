"""Functions of a program that the kernel calls back for the elements of a map."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pybpf.codegen.ir import Op
from pybpf.dsl.maps.map import Map
from pybpf.dsl.memory import Memory
from pybpf.dsl.places import RecordPlace, load, place_of
from pybpf.dsl.records import AnyRecord, RecordValue
from pybpf.dsl.subprograms import Subprogram
from pybpf.dsl.types import u64
from pybpf.dsl.values import Value, describe
from pybpf.spec import Int, Layout, Struct

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["call_back"]


class _Callback(Subprogram):
    """A @subprogram as the kernel calls it: with `count` registers, of which `given` makes its parameters."""

    def __init__(
        self, body: Subprogram, name: str, count: int, given: Callable[[Context], dict[str, Value]]
    ) -> None:
        self.__dict__.update(body.__dict__)
        self.name = name
        self.parameters = {str(number): u64 for number in range(count)}
        self.given = given

    def arguments(self, cx: Context) -> dict[str, Value]:
        return self.given(cx)


@contextlib.contextmanager
def call_back(
    cx: Context,
    map: Map,
    body: Any,
    state: Any,
    parts: Mapping[str, tuple[Layout, Callable[[Context], Memory]]],
    registers: int,
) -> Iterator[tuple[Op, Op]]:
    """Make a function of `body` for the kernel to call, in a `with`: its address, and that of the state.

    It is called with `registers`; `parts` are its parameters, what each is and where it lies when it begins;
    the state is the last one, in the last register. What it is afterwards, `state` is too.
    """
    wanted = [layout for layout, _ in parts.values()]
    described = ", ".join(f"{name}: {layout.name}" for name, (layout, _) in parts.items())
    layout = state.layout if isinstance(state, AnyRecord) else None
    if layout is not None:
        wanted.append(layout)
        described += f", state: {layout.name}"
    elif state is not None:
        raise cx.error(f"the state is a record, such as State(), not {describe(state)}")
    kinds = list(body.parameters.values()) if isinstance(body, Subprogram) else []
    alike = len(kinds) == len(wanted) and all(a.name == b.name for a, b in zip(kinds, wanted))
    if not isinstance(body, Subprogram) or not alike or not isinstance(body.result, Int):
        raise cx.error(
            f"{describe(body)} can't be called for {map.describe()}: that takes a @subprogram of"
            f" ({described}) -> u64, which returns 0 to go on and 1 to stop"
        )

    def given(inner: Context) -> dict[str, Value]:
        names = list(body.parameters)
        found = {name: load(inner, where(inner), kind) for name, (kind, where) in zip(names, parts.values())}
        if isinstance(layout, Struct):
            found[names[-1]] = RecordPlace(layout, Memory(inner.build.arguments[registers - 1]))
        return found

    function = _Callback(body, f"{body.name}_{map.name}", registers, given)
    cx.subprograms.setdefault(function.name, function)
    address = cx.build.function_address(function.name)
    if layout is None:
        yield address, cx.build.const(0)
        return
    place = place_of(cx, layout, state, "state")
    yield address, place.address(cx)
    if isinstance(state, RecordValue):
        state.load(cx, place)
