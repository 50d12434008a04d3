"""Any helper of the kernel by its name, its arguments checked against its C prototype."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pybpf.codegen.ir import Op
from pybpf.dsl.intrinsics.arguments import Call, check_supported
from pybpf.dsl.intrinsics.dynptr import data_of
from pybpf.dsl.intrinsics.facts import callers, check_caller, since
from pybpf.dsl.intrinsics.intrinsic import bind
from pybpf.dsl.intrinsics.prototype import INTEGERS, Prototype, prototype
from pybpf.dsl.kernel import DIRECT, KERNEL, KernelPointer, pointer
from pybpf.dsl.maps.lookup import found_at
from pybpf.dsl.memory import Memory
from pybpf.dsl.places import load
from pybpf.dsl.values import Scalar, Value

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["Helper"]

# What serves on a kernel without `probe_read_kernel` (before 5.5).
_BEFORE = {
    "bpf_probe_read_kernel": "probe_read",
    "bpf_probe_read_user": "probe_read",
}
# Results that are numbers in the header, and pointers by what they mean: the declaration, how it is read.
_POINTERS = {
    "bpf_get_current_task": ("struct task_struct *", KERNEL),
    "bpf_task_pt_regs": ("struct pt_regs *", DIRECT),
}
# Results that are elements of the map: whether they may be None.
_ELEMENTS = {
    "bpf_map_lookup_elem": True,
    "bpf_map_lookup_percpu_elem": True,
    "bpf_get_local_storage": False,
    "bpf_sk_storage_get": True,
    "bpf_inode_storage_get": True,
    "bpf_task_storage_get": True,
    "bpf_cgrp_storage_get": True,
}
# Other pointers are None when there is no such object; these never are.
_NEVER_NULL = frozenset(["bpf_get_current_task_btf"])


class Helper(Value):
    """The helper that the kernel calls `bpf_NAME`.

    It takes what the C prototype says but for two things that go without saying: the context of the program,
    and the size of memory that follows it, which is that of the record or text given; a smaller one is given
    by its C name, as in `get_stack(place, 0, size=64)`.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def prototype(self) -> Prototype:
        return prototype(f"bpf_{self.name}")

    @property
    def __doc__(self) -> str:  # type: ignore[override]
        """What `help()` shows."""
        known = self.prototype
        programs = ", ".join(callers(known.number)) or "not known"
        return (
            f"{self.signature} -> {known.result}\n\n"
            f"Helper {known.number}, since Linux {since(known.number)}; bpf-helpers(7) says what it does:\n"
            f"{known.text}\n\n" + textwrap.fill(f"Programs that may call it: {programs}.", 100)
        )

    @property
    def signature(self) -> str:
        """How it is called in a probe."""
        known = self.prototype
        names = [each.name for each in known.given()]
        return f"{self.name}({', '.join([*names, *(f'{each.name}=...' for each in known.sizes())])})"

    def __repr__(self) -> str:
        return f"<helper {self.name}>"

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        raise TypeError(f"{self.name} is a helper of the kernel: only a probe can call it")

    def describe(self) -> str:
        return f"the helper {self.name}"

    def call(self, cx: Context, args: Sequence[Any], keywords: dict[str, Any]) -> Any:
        known = self.prototype
        check_caller(cx, known)
        check_supported(cx, self.name)
        names = [each.name for each in known.given()]
        sizes = [each.name for each in known.sizes()]
        if len(args) > len(names) and len(args) in (len(known.parameters), len(names) + len(sizes)):
            wanted = ", ".join(names) or "no arguments"
            raise cx.error(
                f"{self.name} takes {wanted}: the context, and the size of memory, go without saying"
            )
        given = bind(cx, self.name, args, keywords, names, names, sizes)
        call = Call(cx, self.name)
        operands = self._operands(call, given)
        if known.name in _ELEMENTS and getattr(call.map, "value", None) is None:
            raise cx.error(f"{self.name} needs a map whose values are known; {call.map.name} is none")
        helper = cx.helper(self.name, _BEFORE[known.name]) if known.name in _BEFORE else self.name
        result = cx.build.call(helper, *operands)
        return data_of(cx, result, given["len"]) if self.name == "dynptr_data" else self._result(call, result)

    def _operands(self, call: Call, given: dict[str, Any]) -> list[Op]:
        operands: list[Op] = []
        for parameter in self.prototype.parameters:
            if parameter.kind == "context":
                operands.append(call.cx.context)
            elif parameter.kind == "size":
                operands.append(call.sized(parameter, given.get(parameter.name)))
            else:
                operands.append(call.operand(parameter, given[parameter.name]))
        return operands

    def _result(self, call: Call, result: Op) -> Any:
        """The result as the author's: a number, a pointer, or the element of a map."""
        cx, known = call.cx, self.prototype
        if known.name in _POINTERS:
            return pointer(cx, result, *_POINTERS[known.name])
        if known.result == "void":
            return None
        if known.result in INTEGERS:
            layout = INTEGERS[known.result]
            op = cx.build.extend(result, 4, signed=True) if known.result == "int" else result
            return Scalar(op, layout)
        if known.name in _ELEMENTS:
            layout = call.map.value
            return found_at(cx, result, layout) if _ELEMENTS[known.name] else load(cx, Memory(result), layout)
        nullable = known.name not in _NEVER_NULL
        return KernelPointer(result, cx.type_of(known.result), DIRECT, trusted=True, nullable=nullable)
