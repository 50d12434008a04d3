"""Functions of BPF that a program calls, or that a helper calls back (BPF-to-BPF calls: Linux 4.16)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Callable

from pybpf.asm import Statement, SubprogramRef
from pybpf.codegen.ir import Op
from pybpf.dsl.decorators import Source
from pybpf.dsl.kernel import KernelPointer, pointer
from pybpf.dsl.memory import Memory
from pybpf.dsl.places import RecordPlace, place_of
from pybpf.dsl.records import AnyRecord, RecordValue
from pybpf.dsl.types import layout_of
from pybpf.dsl.values import Scalar, Value, integer
from pybpf.errors import LoweringError
from pybpf.spec import Int, Layout, Pointer, Struct

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["Subprogram", "check_calls", "loop", "subprogram"]

_MOST_PARAMETERS = 5  # MAX_BPF_FUNC_REG_ARGS, include/linux/bpf.h
_MOST_CALLS = 7  # MAX_CALL_FRAMES, include/linux/bpf_verifier.h, without that of the program itself


class Subprogram(Value):
    """A function that is compiled once and called, with typed parameters and a typed result."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.source = Source(function)
        self.name = function.__name__
        self.function = function
        names = self.source.names()
        annotations = dict(function.__annotations__)
        result = annotations.pop("return", None)
        code = function.__code__
        parameters = code.co_varnames[: code.co_argcount]
        if len(parameters) > _MOST_PARAMETERS or code.co_kwonlyargcount or code.co_flags & 0x0C:
            raise self._error(f"a subprogram takes at most {_MOST_PARAMETERS} plain parameters")
        untyped = [name for name in parameters if name not in annotations]
        if untyped:
            raise self._error(f"{untyped[0]} has no type: a subprogram's parameters need one, such as u64")
        self.parameters: dict[str, Layout] = {
            name: layout_of(annotations[name], names, f"{self.name}: {name}") for name in parameters
        }
        self.result = None if result is None else layout_of(result, names, f"the result of {self.name}")
        if self.result is not None and not isinstance(self.result, Int):
            raise self._error(f"a subprogram returns a number or nothing, not a {self.result.name}")

    def _error(self, message: str) -> LoweringError:
        from pybpf.source import Location

        tree = self.source.tree
        return LoweringError(message, Location(self.source.file, tree.lineno, tree.col_offset + 1))

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)

    def describe(self) -> str:
        return f"the subprogram {self.name}"

    def call(self, cx: Context, args: Sequence[Any], keywords: dict[str, Any]) -> Any:
        if keywords or len(args) != len(self.parameters):
            raise cx.error(
                f"{self.name}({', '.join(self.parameters)}) takes these, in this order, no keywords"
            )
        given = [
            _argument(cx, value, layout, f"{name} of {self.name}")
            for value, (name, layout) in zip(args, self.parameters.items())
        ]
        result = cx.build.call(self.reference(cx), *(op for op, _ in given))
        for value, (_, place) in zip(args, given):
            if isinstance(value, RecordValue) and place is not None:
                value.load(cx, place)
        return Scalar(result, self.result) if isinstance(self.result, Int) else None

    def reference(self, cx: Context) -> SubprogramRef:
        """Make sure that the program has it."""
        cx.subprograms.setdefault(self.name, self)
        if cx.subprograms[self.name] is not self:
            raise cx.error(f"there are two subprograms of the name {self.name}")
        return SubprogramRef(self.name)

    def arguments(self, cx: Context) -> dict[str, Value]:
        """The parameters, where the function begins."""
        found: dict[str, Value] = {}
        for (name, layout), op in zip(self.parameters.items(), cx.build.arguments):
            if isinstance(layout, Struct):
                found[name] = RecordPlace(layout, Memory(op))
            elif isinstance(layout, Pointer):
                found[name] = pointer(cx, op, layout.declaration)
            else:
                assert isinstance(layout, Int)
                found[name] = Scalar(op, layout)
        return found


def _argument(cx: Context, value: Any, layout: Layout, what: str) -> tuple[Op, Memory | None]:
    """An argument, and where it lies: a record is given by its address, and may be changed."""
    if isinstance(layout, Struct):
        if isinstance(value, AnyRecord) and value.layout is layout:
            place = place_of(cx, layout, value, what)
            return place.address(cx), place
    elif isinstance(layout, Pointer):
        if isinstance(value, KernelPointer):
            return value.op, None
    elif isinstance(layout, Int):
        return integer(cx, value, layout, what), None
    found = value.describe() if isinstance(value, Value) else repr(value)
    raise cx.error(f"{what} is a {layout.name}, not {found}")


def check_calls(code: Mapping[str, Sequence[Statement]], chain: tuple[str, ...]) -> None:
    """Raise LoweringError when a subprogram of `code` calls itself, or through more others than can be.

    `chain` are those that are being called, the outermost first.
    """
    for statement in code.get(chain[-1], ()):
        if isinstance(statement.ref, SubprogramRef):
            name = statement.ref.name
            if name in chain:
                raise LoweringError(
                    f"{name} calls itself: a subprogram can't; write a loop", statement.location
                )
            if len(chain) == _MOST_CALLS:
                raise LoweringError(
                    f"{name} would be called {_MOST_CALLS + 1} calls deep: {' -> '.join(chain)} are all"
                    " that there can be",
                    statement.location,
                )
            check_calls(code, (*chain, name))


def subprogram(function: Callable[..., Any]) -> Subprogram:
    """Compile a function once, and call it: `def f(a: u64, file: "struct file *") -> u64`.

    Parameters are numbers, kernel pointers and records (by their address); the result is a number, or there
    is none. Called from Python, it is the Python function.
    """
    return Subprogram(function)


class _Loop(Value):
    """`loop(n, body, state)`: see `loop`."""

    def describe(self) -> str:
        return "loop"

    def call(self, cx: Context, args: Sequence[Any], keywords: dict[str, Any]) -> Any:
        if keywords or len(args) != 3 or not isinstance(args[1], Subprogram):
            raise cx.error("loop takes a number, a @subprogram and a record: loop(n, body, State())")
        rounds, body, state = args
        if not isinstance(state, AnyRecord):
            raise cx.error("the state of a loop is a record, such as State(total=0)")
        kinds = list(body.parameters.values())
        if (
            len(kinds) != 2
            or not isinstance(kinds[0], Int)
            or kinds[1] is not state.layout
            or (body.result is None)
        ):
            raise cx.error(
                f"the body of this loop is a @subprogram of (i: u64, state: {state.layout.name}) -> u64,"
                " which returns 0 to go on and 1 to stop"
            )
        kept = RecordPlace(state.layout, place_of(cx, state.layout, state, "state"))
        count = cx.build.extend(integer_or_scalar(cx, rounds), 4, signed=False)
        body.reference(cx)
        function = cx.build.function_address(body.name)
        cx.build.call("loop", count, function, kept.place.address(cx), cx.build.const(0))
        if isinstance(state, RecordValue):
            state.load(cx, kept.place)
        return state


def integer_or_scalar(cx: Context, value: Any) -> Op:
    """The number of rounds."""
    if isinstance(value, Scalar):
        return value.op
    if isinstance(value, int):
        return cx.build.const(value)
    found = value.describe() if isinstance(value, Value) else repr(value)
    raise cx.error(f"the number of rounds is a number, not {found}")


loop = _Loop()
"""`state = loop(n, body, State())`: call `body(i, state)` for i from 0, up to n times, until it returns 1.

`bpf_loop`, Linux 5.17: the kernel checks the body once, however many rounds there are (at most 2^23).
"""
