"""Functions of the kernel that programs may call by their BTF id (kfuncs, Linux 5.13)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pybpf.asm import KernelFunctionRef
from pybpf.codegen.ir import Op
from pybpf.dsl.intrinsics.context import context
from pybpf.dsl.intrinsics.dynptr import Dynptr, handle, initialised
from pybpf.dsl.intrinsics.intrinsic import Intrinsic, bind
from pybpf.dsl.intrinsics.memory import Memory, memory
from pybpf.dsl.intrinsics.raw import operand
from pybpf.dsl.kernel import DIRECT, INTEGERS, KernelMemory, KernelPointer
from pybpf.dsl.rodata import RODATA
from pybpf.dsl.values import Scalar, Value, describe, integer
from pybpf.errors import TypeNotFound

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["KernelFunction", "kernel_function"]

_MOST = 5  # a call's registers
# Suffixes of parameters' names by which the kernel says more than C can (Documentation/bpf/kfuncs.rst).
_SIZES = ("__sz", "__szk")
_OPTIONAL = ("__nullable", "__opt")
_ANYTHING = "__ign"
_TEXT = "__str"
_SET = "__uninit"
_BY_THE_KERNEL = "__prog"


@Intrinsic
def kernel_function(cx: Context, name: Any) -> KernelFunction:
    """A kernel function by its name: `kernel_function("bpf_task_from_pid")(pid)`.

    Its prototype comes from the target's BTF: numbers, records and texts (whose size goes without saying),
    and pointers that the verifier follows. A pointer that it returns is None until it has been checked.
    """
    if not isinstance(name, str):
        raise cx.error(f"kernel_function takes a name known at build time, not {describe(name)}")
    try:
        prototype = cx.target.btf.function(name)
    except TypeNotFound as error:
        hint = f" (did you mean {' or '.join(map(repr, error.near))}?)" if error.near else ""
        raise cx.error(f"the types of {cx.target.name} have no function {name!r}{hint}") from None

    return KernelFunction(name, prototype)


class KernelFunction(Value):
    """A kernel function, waiting to be called."""

    def __init__(self, name: str, prototype: Any) -> None:
        self.name = name
        self.prototype = prototype

    def describe(self) -> str:
        return f"the kernel function {self.name}"

    def call(self, cx: Context, args: Sequence[Any], keywords: dict[str, Any]) -> Any:
        operands = _operands(cx, self.name, self.prototype.parameters, args, keywords)
        return _result(cx, self.prototype.returns, cx.build.call(KernelFunctionRef(self.name), *operands))


def _operands(
    cx: Context, function: str, parameters: Any, args: Sequence[Any], keywords: dict[str, Any]
) -> list[Op]:
    names = [each.name for each in parameters if not each.name.endswith((*_SIZES, _BY_THE_KERNEL))]
    by_name = bind(cx, function, args, keywords, names, names)
    if len(parameters) > _MOST:
        raise cx.error(f"{function} takes {len(parameters)} arguments: a program can give {_MOST}")
    operands: list[Op] = []
    size = 0
    for each in parameters:
        if each.name.endswith(_SIZES):
            operands.append(cx.build.const(size))
        elif each.name.endswith(_BY_THE_KERNEL):
            operands.append(cx.build.const(0))
        elif each.name.endswith(_ANYTHING):
            operands.append(operand(cx, by_name[each.name]))
        else:
            op = _operand(cx, f"{each.name} of {function}", each, by_name[each.name])
            size = op.size if isinstance(op, Memory) else 0
            operands.append(op.address if isinstance(op, Memory) else op)
    return operands


def _operand(cx: Context, what: str, parameter: Any, value: Any) -> Op | Memory:
    kind = parameter.type.resolve()
    if kind.kind in ("int", "enum", "enum64"):
        return integer(cx, value, INTEGERS[kind.size, kind.signed], what)
    if kind.kind != "ptr":
        raise cx.error(f"{what} is a {parameter.type.declaration}, which a register can't hold")
    if value is None and parameter.name.endswith(_OPTIONAL):
        return cx.build.const(0)
    if value is context:
        return cx.context
    if isinstance(value, str) and parameter.name.endswith(_TEXT):
        return cx.build.map_value(RODATA, cx.rodata.text(value.encode()))
    target = kind.target.resolve()
    if isinstance(value, Dynptr) and target.key.startswith("struct bpf_dynptr"):
        made = parameter.name.endswith(_SET)
        return initialised(cx, value) if made else handle(cx, what, value)
    if isinstance(value, (KernelPointer, KernelMemory)):
        return _object(cx, what, parameter, target, value)
    lies = memory(cx, value)
    if lies is not None and (target.kind == "void" or target.size <= lies.size):
        return lies
    raise cx.error(f"{what} is a {parameter.type.declaration}, not {describe(value)}")


def _object(cx: Context, what: str, parameter: Any, target: Any, value: KernelPointer | KernelMemory) -> Op:
    if value.nullable:
        raise cx.error(f"{what} may be None: check it first, as in `if not ...: return`")
    have = value.target.resolve() if isinstance(value, KernelPointer) else value.type.resolve()
    if target.kind in ("struct", "union"):
        if have.key != target.key:
            raise cx.error(f"{what} is a {parameter.type.declaration}, not {describe(value)}")
        if value.access != DIRECT:
            raise cx.error(
                f"{what} is a {parameter.type.declaration} that the verifier follows, and this one was read"
                " from memory: get it from the kernel itself, as by get_current_task_btf()"
            )
    return value.address(cx)


def _result(cx: Context, type: Any, op: Op) -> Any:
    kind = type.resolve()
    if kind.kind == "void":
        return None
    if kind.kind == "ptr":
        return KernelPointer(op, type, DIRECT, trusted=True, nullable=True)
    layout = INTEGERS[kind.size, kind.signed]
    return Scalar(cx.build.extend(op, layout.size, layout.signed), layout)
